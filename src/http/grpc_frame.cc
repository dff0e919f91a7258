// gRPC's length-prefixed messages: one byte of flags, four of length, then the message. Compressed
// messages (flag 1) are refused: nobody of ours offers an encoding, so a peer may not use one.
#include <cstring>

#include "http/grpc.h"

namespace weft::http {

namespace {
constexpr size_t kPrefix = 5;
}  // namespace

Result<std::optional<std::string>> GrpcFrameReader::next(size_t limit) {
  if (pending_.size() < kPrefix) return std::nullopt;
  const auto* bytes = reinterpret_cast<const unsigned char*>(pending_.data());
  if (bytes[0] != 0) {
    return fail(ErrorKind::kUnsupported,
                "a gRPC message is compressed, but no encoding was offered");
  }
  const size_t length =
      size_t{bytes[1]} << 24 | size_t{bytes[2]} << 16 | size_t{bytes[3]} << 8 | bytes[4];
  if (length > limit) {
    return fail(ErrorKind::kLimit, "a gRPC message of " + std::to_string(length) +
                                       " bytes is larger than the limit of " +
                                       std::to_string(limit));
  }
  if (pending_.size() < kPrefix + length) return std::nullopt;
  std::string message(pending_.view().substr(kPrefix, length));
  pending_.consume(kPrefix + length);
  return message;
}

std::string grpc_frame(std::string_view message) {
  const auto length = static_cast<uint32_t>(message.size());
  std::string frame;
  frame.reserve(kPrefix + message.size());
  frame.push_back(0);
  for (int shift = 24; shift >= 0; shift -= 8) frame.push_back(static_cast<char>(length >> shift));
  frame.append(message);
  return frame;
}

}  // namespace weft::http
