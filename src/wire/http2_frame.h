// The frame layout of HTTP/2 (RFC 9113 §4.1, §6): numbers and octets, no rules.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/buffer.h"

namespace weft::wire {

inline constexpr std::string_view kHttp2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
inline constexpr size_t kFrameHeaderSize = 9;
inline constexpr uint32_t kDefaultFrameSize = 16 * 1024;
inline constexpr uint32_t kLargestFrameSize = (1 << 24) - 1;
inline constexpr int64_t kDefaultWindow = 65535;
inline constexpr int64_t kLargestWindow = 0x7fffffff;
inline constexpr uint32_t kLargestStreamId = 0x7fffffff;

enum class FrameType : uint8_t {
  kData = 0,
  kHeaders = 1,
  kPriority = 2,
  kRstStream = 3,
  kSettings = 4,
  kPushPromise = 5,
  kPing = 6,
  kGoaway = 7,
  kWindowUpdate = 8,
  kContinuation = 9,
};

namespace frame_flag {
inline constexpr uint8_t kEndStream = 0x1;  // DATA, HEADERS
inline constexpr uint8_t kAck = 0x1;        // SETTINGS, PING
inline constexpr uint8_t kEndHeaders = 0x4;
inline constexpr uint8_t kPadded = 0x8;
inline constexpr uint8_t kPriority = 0x20;
}  // namespace frame_flag

namespace setting {
inline constexpr uint16_t kHeaderTableSize = 1;
inline constexpr uint16_t kEnablePush = 2;
inline constexpr uint16_t kMaxConcurrentStreams = 3;
inline constexpr uint16_t kInitialWindowSize = 4;
inline constexpr uint16_t kMaxFrameSize = 5;
inline constexpr uint16_t kMaxHeaderListSize = 6;
inline constexpr uint16_t kEnableConnectProtocol = 8;  // RFC 8441
inline constexpr uint16_t kNoRfc7540Priorities = 9;    // RFC 9218
}  // namespace setting

struct FrameHeader {
  uint32_t size = 0;  // of the payload
  FrameType type{};
  uint8_t flags = 0;
  uint32_t stream = 0;

  bool has(uint8_t flag) const { return (flags & flag) != 0; }
};

inline uint32_t get_u32(std::string_view bytes) {
  auto octet = [&](size_t i) { return uint32_t{static_cast<uint8_t>(bytes[i])}; };
  return octet(0) << 24 | octet(1) << 16 | octet(2) << 8 | octet(3);
}
inline uint16_t get_u16(std::string_view bytes) {
  return static_cast<uint16_t>(static_cast<uint8_t>(bytes[0]) << 8 |
                               static_cast<uint8_t>(bytes[1]));
}

// Exactly kFrameHeaderSize octets.
FrameHeader parse_frame_header(std::string_view bytes);
void append_frame_header(Buffer& out, const FrameHeader& header);
void append_u32(Buffer& out, uint32_t value);
// Frames whose payload is one number: RST_STREAM and WINDOW_UPDATE.
void append_number_frame(Buffer& out, FrameType type, uint32_t stream, uint32_t value);
void append_setting(Buffer& out, uint16_t name, uint32_t value);

}  // namespace weft::wire
