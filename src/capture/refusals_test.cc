#include "capture/refusals.h"

#include <gtest/gtest.h>

namespace weft::capture {
namespace {

std::string bytes(std::initializer_list<int> values) {
  std::string out;
  for (int value : values) out.push_back(static_cast<char>(value));
  return out;
}

// RFC 791 header, no options: 240.241.0.7 → 203.0.113.5, then the first bytes of the payload.
std::string ipv4(int protocol, const std::string& payload) {
  return bytes(
             {0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, protocol, 0, 0, 240, 241, 0, 7, 203, 0, 113, 5}) +
         payload;
}

TEST(DecodeRefusedPacket, NamesWhereADatagramWanted) {
  auto refusal = decode_refused_packet(ipv4(17, bytes({0xc3, 0x50, 0x01, 0xbb})));
  ASSERT_TRUE(refusal.has_value());
  EXPECT_EQ(refusal->kind, Refusal::kDatagram);
  EXPECT_EQ(refusal->protocol, "udp");
  EXPECT_EQ(refusal->target, "203.0.113.5:443");
}

TEST(DecodeRefusedPacket, NamesWhereAResetCameFrom) {
  auto refusal = decode_refused_packet(
      bytes({0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1}) +
      bytes({0x15, 0x38, 0xc3, 0x50, 0, 0, 0, 0}));
  ASSERT_TRUE(refusal.has_value());
  EXPECT_EQ(refusal->kind, Refusal::kConnect);
  EXPECT_EQ(refusal->target, "127.0.0.1:5432");
  EXPECT_NE(explain(*refusal).find("--host-port 5432"), std::string::npos);
}

TEST(DecodeRefusedPacket, NamesWhereASynWanted) {
  // RFC 9293, 3.1: ports, sequence, acknowledgement, data offset 5, flags.
  const std::string ports_and_numbers = bytes({0xc3, 0x50, 0, 81, 0, 0, 0, 1, 0, 0, 0, 0, 0x50});
  auto syn = decode_refused_packet(ipv4(6, ports_and_numbers + bytes({0x02})));
  ASSERT_TRUE(syn.has_value());
  EXPECT_EQ(syn->kind, Refusal::kUndeclared);
  EXPECT_EQ(syn->target, "203.0.113.5:81");
  // A SYN that asks for ECN (RFC 3168, 6.1.1) is one too; a SYN-ACK is not.
  EXPECT_EQ(decode_refused_packet(ipv4(6, ports_and_numbers + bytes({0xc2})))->kind,
            Refusal::kUndeclared);
  EXPECT_EQ(decode_refused_packet(ipv4(6, ports_and_numbers + bytes({0x12})))->kind,
            Refusal::kConnect);
}

TEST(DecodeRefusedPacket, ReadsIpv6) {
  std::string packet = bytes({0x60, 0, 0, 0, 0, 8, 17, 64});
  packet += std::string(15, '\0') + '\1';                                    // from ::1
  packet += bytes({0x20, 0x01, 0x0d, 0xb8}) + std::string(11, '\0') + '\5';  // to 2001:db8::5
  packet += bytes({0xc3, 0x50, 0x1f, 0x90});
  auto refusal = decode_refused_packet(packet);
  ASSERT_TRUE(refusal.has_value());
  EXPECT_EQ(refusal->target, "[2001:db8::5]:8080");
}

TEST(DecodeRefusedPacket, NamesTheAddressAloneWhereThereAreNoPorts) {
  auto refusal = decode_refused_packet(ipv4(1, bytes({8, 0, 0, 0})));
  ASSERT_TRUE(refusal.has_value());
  EXPECT_EQ(refusal->protocol, "icmp");
  EXPECT_EQ(refusal->target, "203.0.113.5");
}

TEST(DecodeRefusedPacket, RefusesWhatIsNoPacket) {
  EXPECT_FALSE(decode_refused_packet("").has_value());
  EXPECT_FALSE(decode_refused_packet(std::string(19, '\x45')).has_value());
  EXPECT_FALSE(decode_refused_packet(std::string(64, '\x35')).has_value());
  EXPECT_FALSE(decode_refused_packet(std::string(39, '\x60')).has_value());
}

}  // namespace
}  // namespace weft::capture
