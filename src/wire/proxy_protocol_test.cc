#include "wire/proxy_protocol.h"

#include <gtest/gtest.h>

#include <string>

namespace weft::wire {
namespace {

constexpr size_t kLongest = 4096;
const std::string kSignature("\r\n\r\n\0\r\nQUIT\n", 12);

std::string bytes(std::string_view text) { return std::string(text); }

// Version 2 by hand: command, family, what follows.
std::string v2(int command, int family, const std::string& body) {
  return kSignature + static_cast<char>(command) + static_cast<char>(family) +
         static_cast<char>(body.size() >> 8) + static_cast<char>(body.size()) + body;
}
// 192.0.2.1:56324 to 198.51.100.7:443.
const std::string kTcp4 = std::string("\xc0\x00\x02\x01\xc6\x33\x64\x07\xdc\x04\x01\xbb", 12);
const std::string kTcp6 = std::string("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 16) +
                          std::string("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02", 16) +
                          std::string("\xdc\x04\x01\xbb", 4);

std::string tlv(int type, const std::string& value) {
  std::string out;
  append_proxy_tlv(out, static_cast<uint8_t>(type), value);
  return out;
}

TEST(ProxyProtocol, SaysForWhomAConnectionIsMade) {
  struct Case {
    const char* what;
    std::string bytes, source, destination;  // "": not told
  };
  for (const Case& c : {
           Case{"v1 TCP4", "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n", "192.0.2.1:56324",
                "198.51.100.7:443"},
           Case{"v1 TCP6", "PROXY TCP6 2001:db8::1 2001:db8::2 0 65535\r\n", "[2001:db8::1]:0",
                "[2001:db8::2]:65535"},
           Case{"v1 mapped v4", "PROXY TCP6 ::ffff:192.0.2.1 ::ffff:198.51.100.7 1 2\r\n",
                "192.0.2.1:1", "198.51.100.7:2"},
           Case{"v1 UNKNOWN", "PROXY UNKNOWN\r\n", "", ""},
           Case{"v1 UNKNOWN with anything", "PROXY UNKNOWN ffff::1 nonsense 99999\r\n", "", ""},
           Case{"v2 TCP4", v2(0x21, 0x11, kTcp4), "192.0.2.1:56324", "198.51.100.7:443"},
           Case{"v2 TCP6", v2(0x21, 0x21, kTcp6), "[2001:db8::1]:56324", "[2001:db8::2]:443"},
           Case{"v2 LOCAL", v2(0x20, 0x00, ""), "", ""},
           Case{"v2 LOCAL passes over what it carries", v2(0x20, 0x77, "whatever"), "", ""},
           Case{"v2 LOCAL with addresses", v2(0x20, 0x11, kTcp4), "", ""},
           Case{"v2 UNSPEC", v2(0x21, 0x00, "anything"), "", ""},
           Case{"v2 UDP", v2(0x21, 0x12, kTcp4), "", ""},
           Case{"v2 Unix", v2(0x21, 0x31, std::string(216, 'u')), "", ""},
           Case{"v2 with TLVs", v2(0x21, 0x11, kTcp4 + tlv(1, "h2") + tlv(0xEE, "")),
                "192.0.2.1:56324", "198.51.100.7:443"},
       }) {
    const auto read = read_proxy_header(c.bytes + "rest", kLongest);
    ASSERT_TRUE(read && *read) << c.what;
    EXPECT_EQ((*read)->source ? (*read)->source->to_string() : "", c.source) << c.what;
    EXPECT_EQ((*read)->destination ? (*read)->destination->to_string() : "", c.destination)
        << c.what;
    EXPECT_EQ((*read)->size, c.bytes.size()) << c.what;
    EXPECT_EQ((*read)->version, c.what[1] - '0') << c.what;
    for (size_t cut = 0; cut < c.bytes.size(); ++cut) {
      const auto part = read_proxy_header(c.bytes.substr(0, cut), kLongest);
      ASSERT_TRUE(part) << c.what << " cut at " << cut;
      ASSERT_FALSE(*part) << c.what << " cut at " << cut;
    }
  }
}

TEST(ProxyProtocol, BrokenHeadersAreRefusedWithAReason) {
  struct Case {
    std::string bytes, why;
  };
  const std::string four = "PROXY TCP4 192.0.2.1 198.51.100.7 ";
  for (const Case& c : {
           Case{"GET / HTTP/1.1\r\n", "no header"},
           Case{"proxy TCP4 ", "no header"},
           Case{"PROXY\r\n", "no header"},
           Case{"\r\n\r\nQUIT", "no header"},
           Case{"PROXY \r\n", "neither TCP4 nor TCP6 nor UNKNOWN"},
           Case{"PROXY UDP4 192.0.2.1 198.51.100.7 1 2\r\n", "neither TCP4 nor TCP6 nor UNKNOWN"},
           Case{"PROXY UNKNOWNS\r\n", "neither TCP4 nor TCP6 nor UNKNOWN"},
           Case{"PROXY  TCP4 192.0.2.1 198.51.100.7 1 2\r\n", "neither TCP4 nor TCP6 nor UNKNOWN"},
           Case{"PROXY TCP4\r\n", "not two addresses and two ports"},
           Case{four + "1\r\n", "not two addresses and two ports"},
           Case{four + "1 2 3\r\n", "not two addresses and two ports"},
           Case{four + " 1 2\r\n", "not two addresses and two ports"},
           Case{four + "1 2 \r\n", "not two addresses and two ports"},
           Case{"PROXY TCP4 192.0.2 198.51.100.7 1 2\r\n", "a wrong address"},
           Case{"PROXY TCP4 192.0.2.01 198.51.100.7 1 2\r\n", "a wrong address"},
           Case{"PROXY TCP4 192.0.2.256 198.51.100.7 1 2\r\n", "a wrong address"},
           Case{"PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n", "a wrong address"},
           Case{"PROXY TCP6 192.0.2.1 198.51.100.7 1 2\r\n", "a wrong address"},
           Case{"PROXY TCP6 2001:db8::1::2 2001:db8::2 1 2\r\n", "a wrong address"},
           Case{four + "65536 2\r\n", "a wrong port"},
           Case{four + "01 2\r\n", "a wrong port"},
           Case{four + "-1 2\r\n", "a wrong port"},
           Case{four + "+1 2\r\n", "a wrong port"},
           Case{four + "1 2\t\r\n", "a wrong port"},
           Case{four + "1 2\nGET\r\n", "a wrong port"},
           Case{"PROXY UNKNOWN " + std::string(93, 'a'), "a line of more than 107 octets"},
           Case{v2(0x11, 0x11, kTcp4), "neither version 2 LOCAL nor PROXY"},
           Case{v2(0x22, 0x11, kTcp4), "neither version 2 LOCAL nor PROXY"},
           Case{v2(0x21, 0x10, kTcp4), "a family that does not exist"},
           Case{v2(0x21, 0x41, kTcp4), "a family that does not exist"},
           Case{v2(0x21, 0x13, kTcp4), "a family that does not exist"},
           Case{v2(0x21, 0x11, kTcp4.substr(1)), "cut addresses"},
           Case{v2(0x21, 0x21, kTcp4), "cut addresses"},
           Case{v2(0x21, 0x11, kTcp4 + "\1"), "a cut TLV"},
           Case{v2(0x21, 0x11, kTcp4 + bytes(std::string_view("\1\0\2h", 4))), "a cut TLV"},
           Case{v2(0x21, 0x11, kTcp4 + tlv(3, "abc")), "a checksum that is not of 4 octets"},
           Case{v2(0x21, 0x11, kTcp4 + tlv(3, "abcd")), "the checksum is wrong"},
           Case{v2(0x21, 0x11, kTcp4 + tlv(3, "abcd") + tlv(3, "abcd")), "two checksums"},
           Case{v2(0x21, 0x11, kTcp4 + tlv(4, std::string(kLongest, 'x'))),
                "a header of 4127 octets, at most 4096 are read"},
       }) {
    const auto read = read_proxy_header(c.bytes, kLongest);
    ASSERT_FALSE(read) << c.bytes;
    EXPECT_EQ(read.error().message(), "PROXY protocol: " + c.why) << c.bytes;
  }
}

TEST(ProxyProtocol, TheLongestLineIsRead) {
  const std::string line = "PROXY UNKNOWN " + std::string(107 - 14 - 2, 'f') + "\r\n";
  ASSERT_EQ(line.size(), kProxyLine);
  EXPECT_TRUE(*read_proxy_header(line, kLongest));
  EXPECT_FALSE(*read_proxy_header(line.substr(0, 106), kLongest));
}

// "123456789" is the check value of every catalogue of CRCs; 32 zeros are RFC 9260's (RFC 3720 B.4).
TEST(ProxyProtocol, TheChecksumIsCastagnolis) {
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(crc32c("6789", crc32c("12345")), 0xe3069283u);
}

TEST(ProxyProtocol, ARightChecksumPasses) {
  const auto with = [](const std::string& sum) {
    return v2(0x21, 0x11, kTcp4 + tlv(1, "h2") + tlv(3, sum) + tlv(5, "id"));
  };
  const uint32_t sum = crc32c(with(std::string(4, '\0')));
  const std::string right{static_cast<char>(sum >> 24), static_cast<char>(sum >> 16),
                          static_cast<char>(sum >> 8), static_cast<char>(sum)};
  EXPECT_TRUE(read_proxy_header(with(right), kLongest));
  // Every octet counts.
  const std::string whole = with(right);
  constexpr size_t kType = 16 + 12 + 5;  // another type than 0x03: no checksum
  for (size_t at = 16; at < whole.size(); ++at) {
    if (at == kType) continue;
    std::string broken = whole;
    broken[at] = static_cast<char>(broken[at] ^ 1);
    EXPECT_FALSE(read_proxy_header(broken, kLongest)) << at;
  }
}

TEST(ProxyProtocol, ReadsWhatItWrites) {
  std::string tlvs;
  append_proxy_tlv(tlvs, 0xE1, "cart.default:80");
  append_proxy_tlv(tlvs, 0xE2, "");
  for (const char* ip : {"192.0.2.1", "2001:db8::1"}) {
    const SocketAddress source{*IpAddress::parse(ip), 40001}, destination{source.ip, 80};
    const std::string written = proxy_header_v2(source, destination, tlvs);
    const auto read = read_proxy_header(written, kLongest);
    ASSERT_TRUE(read && *read) << ip;
    EXPECT_EQ((*read)->source, source);
    EXPECT_EQ((*read)->destination, destination);
    std::string_view left = (*read)->tlvs;
    EXPECT_EQ(take_proxy_tlv(left)->value, "cart.default:80");
    EXPECT_EQ(take_proxy_tlv(left)->type, 0xE2);
    EXPECT_FALSE(take_proxy_tlv(left));
  }
}

}  // namespace
}  // namespace weft::wire
