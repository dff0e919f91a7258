// Octets in network order, written at once so that the compiler can merge the stores.
#include "wire/http2_frame.h"

namespace weft::wire {

FrameHeader parse_frame_header(std::string_view bytes) {
  return {.size = get_u32(bytes) >> 8,
          .type = static_cast<FrameType>(bytes[3]),
          .flags = static_cast<uint8_t>(bytes[4]),
          .stream = get_u32(bytes.substr(5)) & kLargestStreamId};
}

void append_frame_header(Buffer& out, const FrameHeader& header) {
  char* const at = out.prepare(kFrameHeaderSize).data();
  at[0] = static_cast<char>(header.size >> 16);
  at[1] = static_cast<char>(header.size >> 8);
  at[2] = static_cast<char>(header.size);
  at[3] = static_cast<char>(header.type);
  at[4] = static_cast<char>(header.flags);
  at[5] = static_cast<char>(header.stream >> 24);
  at[6] = static_cast<char>(header.stream >> 16);
  at[7] = static_cast<char>(header.stream >> 8);
  at[8] = static_cast<char>(header.stream);
  out.commit(kFrameHeaderSize);
}

void append_u32(Buffer& out, uint32_t value) {
  char* const at = out.prepare(4).data();
  at[0] = static_cast<char>(value >> 24);
  at[1] = static_cast<char>(value >> 16);
  at[2] = static_cast<char>(value >> 8);
  at[3] = static_cast<char>(value);
  out.commit(4);
}

void append_number_frame(Buffer& out, FrameType type, uint32_t stream, uint32_t value) {
  append_frame_header(out, {.size = 4, .type = type, .stream = stream});
  append_u32(out, value);
}

void append_setting(Buffer& out, uint16_t name, uint32_t value) {
  out.append(static_cast<char>(name >> 8));
  out.append(static_cast<char>(name));
  append_u32(out, value);
}

}  // namespace weft::wire
