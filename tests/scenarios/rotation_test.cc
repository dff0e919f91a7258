// What a rotation of certificates does to the connections that are there.
#include <gtest/gtest.h>

#include "scenarios/mesh.h"

namespace weft::scenarios {
namespace {

constexpr int kCallers = 40;

TEST(Rotation, AsksCallersToComeAnewAtTimesSpreadOverAQuarterOfWhatIsLeft) {
  Mesh mesh(5);
  mesh.set_svid_life(Duration::seconds(200));
  mesh.add({.name = "cart",
            .services = {{"cart", 80, 8080, model::Protocol::kHttp, false}},
            .behaviour = {}});
  const auto call = [&](const std::string& from) {
    wire::RequestHead head;
    head.method = "GET";
    head.target = "/";
    head.authority = "cart";
    head.fields.add("Host", "cart");
    return mesh.call(from, head, "cart", 80).status;
  };
  const auto caller = [](int i) { return "caller-" + std::to_string(i); };
  for (int i = 0; i < kCallers; ++i) mesh.add({.name = caller(i), .services = {}, .behaviour = {}});
  for (int i = 0; i < kCallers; ++i) ASSERT_EQ(call(caller(i)), 200);
  Instance& cart = mesh.instance("cart");
  proxy::Inbound& inbound = cart.worker->inbound;
  ASSERT_EQ(inbound.connections(), static_cast<size_t>(kCallers));

  const Duration window = (cart.svid->not_after() - mesh.world().wall_now()) / 4;
  ASSERT_GT(window, Duration::seconds(30));
  inbound.rotated();
  mesh.world().run_for(Duration::seconds(1));
  // Of 40 spread evenly over half a minute or more, one or two go in the first second.
  EXPECT_GE(inbound.connections(), kCallers - 8u);
  mesh.world().run_for(window / 2 - Duration::seconds(1));
  EXPECT_GE(inbound.connections(), 10u);
  EXPECT_LE(inbound.connections(), 30u);

  mesh.add({.name = "late", .services = {}, .behaviour = {}});
  EXPECT_EQ(call("late"), 200);
  mesh.world().run_for(window / 2 + Duration::seconds(1));
  EXPECT_EQ(inbound.connections(), 1u) << "who came after the rotation stays";
  EXPECT_EQ(call("caller-0"), 200);
  EXPECT_EQ(inbound.connections(), 2u);
}

}  // namespace
}  // namespace weft::scenarios
