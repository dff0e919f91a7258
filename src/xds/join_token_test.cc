#include "xds/join_token.h"

#include <gtest/gtest.h>

namespace weft::xds {
namespace {

// RFC 4648 section 10, in the URL alphabet without padding.
TEST(Base64Url, EncodesTheVectorsOfTheRfc) {
  const std::pair<const char*, const char*> rows[] = {
      {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},         {"foo", "Zm9v"},
      {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, text] : rows) {
    EXPECT_EQ(base64url_encode(plain), text);
    auto back = base64url_decode(text);
    ASSERT_TRUE(back) << text;
    EXPECT_EQ(*back, plain);
  }
  EXPECT_EQ(base64url_encode("\xfb\xff\xfe"), "-__-");
}

TEST(Base64Url, RefusesWhatNoEncoderWrites) {
  for (const char* text : {"Z", "Zg==", "Zh", "Zm9/", "Zm 9", "Zm8\n"}) {
    EXPECT_FALSE(base64url_decode(text)) << text;
  }
}

JoinToken sample() {
  return {{*SocketAddress::parse("192.0.2.7:7443"), *SocketAddress::parse("[2001:db8::7]:7443")},
          std::string(64, 'a'),
          "weft.local",
          std::string(32, '\x01')};
}

TEST(JoinTokenText, SurvivesTheWayThroughATerminal) {
  std::string text = sample().encode();
  EXPECT_TRUE(text.starts_with("weft1."));
  auto token = JoinToken::decode(text);
  ASSERT_TRUE(token) << token.error().message();
  EXPECT_EQ(token->servers, sample().servers);
  EXPECT_EQ(token->root_spki_sha256, sample().root_spki_sha256);
  EXPECT_EQ(token->trust_domain, "weft.local");
  EXPECT_EQ(token->secret, sample().secret);
}

TEST(JoinTokenText, RefusesEveryTruncation) {
  std::string text = sample().encode();
  for (size_t size = 0; size < text.size(); ++size) {
    EXPECT_FALSE(JoinToken::decode(text.substr(0, size))) << size;
  }
}

TEST(JoinTokenText, RefusesTokensThatLackAPart) {
  JoinToken none = sample();
  none.servers.clear();
  EXPECT_FALSE(JoinToken::decode(none.encode()));
  JoinToken pin = sample();
  pin.root_spki_sha256 = "ab";
  EXPECT_FALSE(JoinToken::decode(pin.encode()));
  JoinToken secret = sample();
  secret.secret = "short";
  EXPECT_FALSE(JoinToken::decode(secret.encode()));
  JoinToken domain = sample();
  domain.trust_domain.clear();
  EXPECT_FALSE(JoinToken::decode(domain.encode()));
  EXPECT_FALSE(JoinToken::decode("weft2.abcd"));
}

}  // namespace
}  // namespace weft::xds
