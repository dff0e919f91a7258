#include "proxy/hop_preface.h"

#include <gtest/gtest.h>

namespace weft::proxy {
namespace {

HopPreface example() {
  return {*IpAddress::parse("240.241.0.7"), *IpAddress::parse("fd00::7"), 40001,
          "redis.default:6379", "web-1"};
}

TEST(HopPreface, BeginsAsProxyProtocolVersion2HasIt) {
  std::string bytes = encode_hop_preface(example());
  EXPECT_EQ(bytes.substr(0, 14), std::string("\r\n\r\n\0\r\nQUIT\n\x21\x11", 14));
  EXPECT_EQ(bytes.substr(16, 4), std::string("\xf0\xf1\x00\x07", 4));
}

TEST(HopPreface, ReadsWhatItWritesAndLeavesTheRest) {
  std::string bytes = encode_hop_preface(example());
  auto decoded = decode_hop_preface(bytes + "PING\r\n");
  ASSERT_TRUE(decoded && *decoded);
  EXPECT_EQ((*decoded)->preface, example());
  EXPECT_EQ((*decoded)->size, bytes.size());
}

TEST(HopPreface, WaitsForTheRestAtEveryCut) {
  std::string bytes = encode_hop_preface(example());
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    auto decoded = decode_hop_preface(bytes.substr(0, cut));
    ASSERT_TRUE(decoded) << cut;
    EXPECT_FALSE(*decoded) << cut;
  }
}

TEST(HopPreface, RefusesAnythingElse) {
  EXPECT_FALSE(decode_hop_preface("GET / HTTP/1.1\r\n"));
  std::string bytes = encode_hop_preface(example());
  for (size_t at : {12u, 13u}) {
    std::string broken = bytes;
    broken[at] = 0x20;
    EXPECT_FALSE(decode_hop_preface(broken)) << at;
  }
  std::string long_tlv = bytes;
  long_tlv[29] = '\x7f';  // length of the first TLV
  EXPECT_FALSE(decode_hop_preface(long_tlv));
}

}  // namespace
}  // namespace weft::proxy
