#include "proxy/caller_fields.h"

#include <gtest/gtest.h>

namespace weft::proxy {
namespace {

// xxxxxxxx-xxxx-4xxx-[89ab]xxx-xxxxxxxxxxxx
bool is_uuid4(std::string_view id) {
  if (id.size() != 36) return false;
  for (size_t i = 0; i < id.size(); ++i) {
    const std::string_view allowed = i == 8 || i == 13 || i == 18 || i == 23 ? "-"
                                     : i == 14                               ? "4"
                                     : i == 19                               ? "89ab"
                                                                             : "0123456789abcdef";
    if (allowed.find(id[i]) == std::string_view::npos) return false;
  }
  return true;
}

TEST(CallerFields, ARequestIdIsKeptOrMadeAsAVersion4Uuid) {
  SeededRandom random(1);
  wire::Fields fields;
  fields.add("X-Request-ID", "mine");
  EXPECT_EQ(keep_or_make_request_id(fields, random), "mine");
  EXPECT_EQ(fields.size(), 1u);

  for (int i = 0; i < 100; ++i) {
    wire::Fields none;
    const std::string id = keep_or_make_request_id(none, random);
    EXPECT_TRUE(is_uuid4(id)) << id;
    EXPECT_EQ(none.get("x-request-id"), id);
  }
  wire::Fields empty;
  empty.add("X-Request-Id", "");
  EXPECT_EQ(empty.get("x-request-id"), "");
  EXPECT_EQ(keep_or_make_request_id(empty, random).size(), 36u);
  EXPECT_EQ(empty.size(), 1u);
}

TEST(CallerFields, TheIdentityIsTheCertificatesWord) {
  wire::Fields fields;
  fields.add("X-Forwarded-Client-Cert", "URI=spiffe://evil/x");
  fields.add("x-forwarded-client-cert", "URI=spiffe://evil/y");
  fields.add("X-Other", "1");
  say_identity(fields, "spiffe://td/ns/a/web", "spiffe://td/ns/a/cart");
  EXPECT_EQ(fields.count("x-forwarded-client-cert"), 1u);
  EXPECT_EQ(fields.get("x-forwarded-client-cert"),
            "By=spiffe://td/ns/a/cart;URI=spiffe://td/ns/a/web");
  say_identity(fields, "", "spiffe://td/ns/a/cart");
  EXPECT_EQ(fields.count("x-forwarded-client-cert"), 0u);
  EXPECT_TRUE(fields.has("x-other"));
}

TEST(CallerFields, OnlyAGatewayIsBelievedWhomItVerified) {
  wire::Fields fields;
  fields.add("X-Forwarded-Client-Cert", "Subject=\"CN=evil\"");
  say_client(fields, "Hash=00;Subject=\"CN=shop, O=\\\"a\\\"\";URI=urn:shop",
             "spiffe://td/ns/a/sa/gateway-edge");
  const std::string said =
      "By=spiffe://td/ns/a/sa/gateway-edge;Hash=00;Subject=\"CN=shop, O=\\\"a\\\"\";URI=urn:shop";
  EXPECT_EQ(fields.get("x-forwarded-client-cert"), said);
  wire::Fields at_another = fields;
  say_identity(fields, "spiffe://td/ns/a/sa/gateway-edge", "spiffe://td/ns/a/sa/cart");
  EXPECT_EQ(fields.get("x-forwarded-client-cert"),
            said + ",By=spiffe://td/ns/a/sa/cart;URI=spiffe://td/ns/a/sa/gateway-edge");
  EXPECT_EQ(fields.count("x-forwarded-client-cert"), 1u);
  say_identity(at_another, "spiffe://td/ns/a/sa/web", "spiffe://td/ns/a/sa/cart");
  EXPECT_EQ(at_another.get("x-forwarded-client-cert"),
            "By=spiffe://td/ns/a/sa/cart;URI=spiffe://td/ns/a/sa/web");
  say_client(fields, "", "spiffe://td/ns/a/sa/gateway-edge");
  EXPECT_FALSE(fields.has("x-forwarded-client-cert"));
}

TEST(CallerFields, AGatewayReplacesWhatAStrangerClaims) {
  wire::RequestHead head;
  for (const char* name : {"Forwarded", "X-Forwarded-For", "X-Envoy-Internal", "X-Real-IP",
                           "X-Forwarded-Host", "X-Forwarded-Proto", "X-Mine"}) {
    head.fields.add(name, "192.0.2.66");
  }
  head.fields.add("Via", "1.0 fred");
  http::ConnectionInfo from;
  from.peer = {IpAddress::v4(0x0a000001), 999};
  present_request(head, from);
  std::string text;
  for (const auto& line : head.fields) {
    text.append(line.name).append(": ").append(line.value).append("\n");
  }
  EXPECT_EQ(text,
            "X-Mine: 192.0.2.66\nVia: 1.0 fred\nvia: 1.1 weft\nx-forwarded-for: 10.0.0.1\n"
            "x-forwarded-proto: http\n");
}

TEST(CallerFields, AGatewaySpeaksItsOwnVersion) {
  wire::RequestHead head;
  head.version = wire::Version::kHttp10;
  head.fields.add("Expect", "100-continue");
  present_request(head, {});
  EXPECT_EQ(head.version, wire::Version::kHttp11);
  EXPECT_FALSE(head.fields.has("expect"));
  EXPECT_EQ(head.fields.get("via"), "1.0 weft");

  wire::ResponseHead answer;
  answer.version = wire::Version::kHttp10;
  present_response(answer, WallTime::from_unix_seconds(784111777));
  EXPECT_EQ(answer.version, wire::Version::kHttp11);
  EXPECT_EQ(answer.fields.get("date"), "Sun, 06 Nov 1994 08:49:37 GMT");
  present_response(answer, WallTime::from_unix_seconds(0));
  EXPECT_EQ(answer.fields.get("date"), "Sun, 06 Nov 1994 08:49:37 GMT");
}

}  // namespace
}  // namespace weft::proxy
