#include "capture/packet.h"

#include <gtest/gtest.h>

#include <string>

namespace weft::capture {
namespace {

TEST(Packet, LastWordsArriveFromAnEndThatWentWithoutReadingAll) {
  auto pair = make_packet_pair();
  ASSERT_TRUE(pair.has_value());
  ASSERT_TRUE(send_packet(pair->first.get(), "not read by the other").has_value());
  for (const char* words : {"first", "last"})
    ASSERT_TRUE(send_packet(pair->second.get(), words).has_value());
  pair->second.close();
  for (const char* words : {"first", "last"}) {
    auto packet = receive_packet(pair->first.get());
    ASSERT_TRUE(packet.has_value()) << packet.error().message();
    EXPECT_EQ(packet->bytes, words);
  }
  auto end = receive_packet(pair->first.get());
  ASSERT_FALSE(end.has_value());
  EXPECT_EQ(end.error().kind(), ErrorKind::kClosed);
}

}  // namespace
}  // namespace weft::capture
