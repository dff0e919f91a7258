#include "app/weft/explain_text.h"

#include <gtest/gtest.h>

namespace weft::app {
namespace {

TEST(ExplanationText, StagesStandAtTheMarginAndWhatTheySayBelow) {
  control::Problems problems;
  const auto documents = control::read_yaml("answer", R"({
"instance": "web-1a2b3c", "instances": 2, "sidecarVersion": "0.1.0", "generation": 7,
"steps": [
  {"stage": "name", "says": "cart is 240.240.0.5"},
  {"stage": "route", "object": "HTTPRoute default/cart rule 0", "says": "matches",
   "values": [{"name": "timeout", "value": "2s", "origin": "HTTPRoute default/cart rule 0"},
              {"name": "timeout of a try", "value": "none", "origin": "default"}],
   "notes": ["not HTTPRoute default/cart rule 1: it needs the method PUT\n"]},
  {"stage": "endpoints", "says": "1 of 2 instances can be chosen"}],
"endpoints": [
  {"workload": "cart-1", "service": "cart.default:80", "address": "127.0.0.1:20001", "candidate": true,
   "percent": 100.0, "active": 3, "state": "ready"},
  {"workload": "cart-2", "service": "cart.default:80", "address": "127.0.0.1:20002", "candidate": false,
   "percent": 0.0, "active": 0, "state": "not ready"}],
"outcome": {"says": "the request goes to cart-1"}})",
                                            problems);
  ASSERT_TRUE(problems.empty());
  EXPECT_EQ(
      explanation_text(documents.front()),
      R"(asked          web-1a2b3c, weft-proxy 0.1.0, version 7 of what it knows (one of 2 that could be asked)
name           cart is 240.240.0.5
route          HTTPRoute default/cart rule 0
               matches
                 VALUE              IS     SAID BY
                 timeout            2s     HTTPRoute default/cart rule 0
                 timeout of a try   none   default
               - not HTTPRoute default/cart rule 1: it needs the method PUT\n
endpoints      1 of 2 instances can be chosen
                 INSTANCE   OF                ADDRESS           ZONE   SHARE     IN HAND   STATE
                 cart-1     cart.default:80   127.0.0.1:20001   -      100.0 %   3         ready
                 cart-2     cart.default:80   127.0.0.1:20002   -      -         0         not ready
so             the request goes to cart-1
)");
}

}  // namespace
}  // namespace weft::app
