#include "proxy/inbound_limits.h"

#include <gtest/gtest.h>

namespace weft::proxy {
namespace {

steer::RateLimits::Verdict refusal(const model::RateLimit& limit) {
  return {.granted = false,
          .limit = &limit,
          .requests = 2,
          .left = 0,
          .until = Duration::micros(1'200'300)};
}

model::RateLimit limit() {
  model::RateLimit out;
  out.policy = "default/cart-limits";
  out.requests = 2;
  return out;
}

std::string value(const wire::Fields& fields, std::string_view name) {
  return std::string(fields.get(name).value_or("-"));
}

TEST(InboundLimits, ARefusalSaysWhenToComeAgainInTheCallersLanguage) {
  const model::RateLimit some = limit();
  const LocalReply reply = limited_reply(refusal(some));
  EXPECT_EQ(reply.status, 429);
  EXPECT_EQ(reply.grpc(), http::GrpcStatus::kResourceExhausted);
  EXPECT_EQ(value(reply.fields, "Retry-After"), "2");
  EXPECT_EQ(value(reply.fields, "RateLimit-Policy"), "\"cart-limits\";q=2;w=1");
  EXPECT_EQ(value(reply.fields, "RateLimit"), "\"cart-limits\";r=0;t=2");
  EXPECT_EQ(value(reply.grpc_fields, "grpc-retry-pushback-ms"), "1201");
}

TEST(InboundLimits, AnAppThatSpeaksOfItsOwnLimitsHasTheWord) {
  wire::Fields mine, own;
  tell_limits({"p", "l", ""}, mine);
  EXPECT_EQ(value(mine, "RateLimit-Policy"), "p");
  EXPECT_EQ(value(mine, "RateLimit"), "l");
  own.add("RateLimit", "\"app\";r=1");
  tell_limits({"p", "l", ""}, own);
  EXPECT_EQ(own.size(), 1u);
}

}  // namespace
}  // namespace weft::proxy
