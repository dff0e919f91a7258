// What people read of services and routes, from objects as they are applied.
#include "control/status_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/kinds.h"

namespace weft::control {
namespace {

using testing::ElementsAre;

Served nobody(const Carriers&) { return {}; }

void put(Compiler& compiler, const std::string& yaml) {
  Problems problems;
  for (DecodedObject& one : decode_objects("f", yaml, problems)) compiler.put(one.object);
  ASSERT_TRUE(problems.empty()) << problems[0].to_string();
}

constexpr const char* kCart =
    "apiVersion: v1\nkind: Service\nmetadata: {name: cart}\n"
    "spec: {ports: [{port: 80, name: web, appProtocol: http}]}\n";

std::string route(const std::string& rules) {
  return "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r}\nspec:\n"
         "  parentRefs: [{group: '', kind: Service, name: cart, port: 80}]\n  rules: " +
         rules + "\n";
}

TEST(StatusRows, ReadARuleAsAPersonWouldWriteIt) {
  const struct {
    const char *rules, *text;
  } kCases[] = {
      {"[{backendRefs: [{name: a, port: 80}]}]", "/ → a.default:80"},
      {"[{matches: [{path: {type: Exact, value: /x}, method: GET}], backendRefs: [{name: a, port: "
       "80}]}]",
       "GET =/x → a.default:80"},
      {"[{matches: [{headers: [{name: X-Canary, value: 'yes'}], queryParams: [{name: v, value: "
       "'2'}]}], backendRefs: [{name: a, port: 80}]}]",
       "/ X-Canary:yes ?v=2 → a.default:80"},
      {"[{matches: [{path: {type: RegularExpression, value: /a.*}}], backendRefs: [{name: a, port: "
       "80}]}]",
       "~/a.* → a.default:80"},
      {"[{backendRefs: [{name: a, port: 80, weight: 90}, {name: b, port: 81, weight: 10}]}]",
       "/ → a.default:80 90 %, b.default:81 10 %"},
      {"[{backendRefs: [{name: a, port: 80, weight: 0}]}]", "/ → nobody (status 500)"},
  };
  for (const auto& c : kCases) {
    Compiler compiler;
    put(compiler, kCart);
    put(compiler, route(c.rules));
    const auto rows = route_rows(compiler, nobody);
    ASSERT_EQ(rows.size(), 1u);
    EXPECT_THAT(rows[0].rules, ElementsAre(c.text));
    EXPECT_THAT(rows[0].parents, ElementsAre("cart.default:80"));
  }
}

TEST(StatusRows, CountReadyInstancesOfAService) {
  Compiler compiler;
  put(compiler, kCart);
  compiler.set_address({"default", "cart"}, IpAddress::v4(0xf0f00001), {});
  for (const bool ready : {true, false}) {
    Instance one;
    one.id = ready ? "cart-1" : "cart-2";
    one.ns = "default";
    one.claims = {{"cart", 80, 8080, model::Protocol::kHttp}};
    one.ready = {{8080, ready}};
    compiler.put_instance(one);
  }
  const auto rows = service_rows(compiler, nobody);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].ready, 1u);
  EXPECT_EQ(rows[0].instances, 2u);
  EXPECT_EQ(rows[0].vip4, "240.240.0.1");
  EXPECT_FALSE(rows[0].implicit);
  EXPECT_EQ(rows[0].ports.at(0).protocol, "http");
}

TEST(StatusRows, ARefusalMakesARouteNotProgrammed) {
  Compiler compiler;
  put(compiler, kCart);
  compiler.set_address({"default", "cart"}, IpAddress::v4(0xf0f00001), {});
  put(compiler, route("[{backendRefs: [{name: cart, port: 80}]}]"));
  Carriers asked;
  const ServedFn refused = [&](const Carriers& carriers) {
    asked = carriers;
    return Served{.current = 1, .users = 2, .problem = "web-1: needs level 2"};
  };
  const auto rows = route_rows(compiler, refused);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(asked, (Carriers{{{"default", "cart"}, ""}}));
  const auto& programmed = rows[0].conditions.back();
  EXPECT_EQ(programmed.type, "Programmed");
  EXPECT_FALSE(programmed.ok);
  EXPECT_EQ(programmed.reason, "Refused");
  EXPECT_EQ(programmed.message, "refused, the version before stays in use: web-1: needs level 2");
  EXPECT_EQ(rows[0].parent_states.at(0).conditions.back().type, "weft.dev/Served");
  EXPECT_TRUE(route_rows(compiler, nobody)[0].conditions.back().ok);
}

TEST(StatusRows, WhatIsWrongWithItsEndpointsIsToldAtTheService) {
  Compiler compiler;
  put(compiler, kCart);
  compiler.set_address({"default", "cart"}, IpAddress::v4(0xf0f00001), {});
  const ServedFn served = [](const Carriers& carriers) {
    if (carriers.at(0).in != Carrier::kEndpoints) return Served{.current = 2, .users = 2};
    return Served{.problem = "endpoints: 10001 entries, at most 10000 allowed", .withheld = true};
  };
  const ServiceRow row = service_rows(compiler, served).at(0);
  EXPECT_EQ(row.served.current, 2u);
  const Condition& programmed = row.conditions.back();
  EXPECT_EQ(programmed.type, "Programmed");
  EXPECT_EQ(programmed.reason, "NotSent");
  EXPECT_EQ(programmed.message,
            "every proxy would refuse it, the version before stays in use: endpoints: 10001 "
            "entries, at most 10000 allowed");
}

}  // namespace
}  // namespace weft::control
