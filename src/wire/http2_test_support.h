// What the tests of the HTTP/2 session share: frames built and taken apart by hand (RFC 9113 §4.1), header
// blocks of literals without indexing (RFC 7541 §6.2.2) so that they can be read, and a recorder of events.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "wire/http2_session.h"

namespace weft::wire::http2_test {

class TestClock final : public Clock {
 public:
  Instant now() const override { return time; }
  WallTime wall_now() const override { return {}; }
  Instant time{1'000'000'000};
};

inline std::string frame(uint8_t type, uint8_t flags, uint32_t stream, std::string_view payload) {
  std::string out;
  for (int shift = 16; shift >= 0; shift -= 8) out += static_cast<char>(payload.size() >> shift);
  out += static_cast<char>(type);
  out += static_cast<char>(flags);
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(stream >> shift);
  return out + std::string(payload);
}

inline constexpr uint8_t kData = 0, kHeaders = 1, kPriority = 2, kRst = 3, kSettings = 4, kPing = 6,
                         kGoaway = 7, kWindowUpdate = 8, kContinuation = 9;
inline constexpr uint8_t kEnd = 1, kAck = 1, kEndHeaders = 4;

// Names and values up to 126 octets.
inline std::string block(std::initializer_list<std::pair<std::string, std::string>> lines) {
  std::string out;
  for (const auto& [name, value] : lines) {
    out += '\0';
    out += static_cast<char>(name.size());
    out += name;
    out += static_cast<char>(value.size());
    out += value;
  }
  return out;
}

inline std::string get_block(std::string path = "/") {
  return block(
      {{":method", "GET"}, {":scheme", "http"}, {":path", std::move(path)}, {":authority", "a"}});
}

inline std::string u32(uint32_t value) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
  return out;
}

struct Frame {
  uint8_t type;
  uint8_t flags;
  uint32_t stream;
  std::string payload;
  uint32_t code() const {
    const size_t at = type == kGoaway ? 4 : 0;
    uint32_t out = 0;
    for (size_t i = at; i < at + 4; ++i) out = out << 8 | static_cast<uint8_t>(payload[i]);
    return out;
  }
};

inline std::vector<Frame> frames_of(std::string_view bytes) {
  std::vector<Frame> out;
  while (bytes.size() >= 9) {
    auto octet = [&](size_t i) { return static_cast<uint8_t>(bytes[i]); };
    const size_t size = size_t{octet(0)} << 16 | size_t{octet(1)} << 8 | octet(2);
    const uint32_t stream =
        uint32_t{octet(5)} << 24 | uint32_t{octet(6)} << 16 | uint32_t{octet(7)} << 8 | octet(8);
    out.push_back({octet(3), octet(4), stream, std::string(bytes.substr(9, size))});
    bytes.remove_prefix(9 + size);
  }
  return out;
}

// Writes down what a session says.
class Recorder final : public Http2Events {
 public:
  struct Seen {
    Http2Stream* stream = nullptr;
    RequestHead request;
    std::vector<ResponseHead> responses;
    std::string body;
    Fields trailers;
    bool ended = false;
    bool closed = false;
    int drained = 0;
    Http2Code code{};
  };

  void* on_request(Http2Stream& stream, RequestHead&& head, bool end) override {
    auto& seen = *streams.emplace_back(std::make_unique<Seen>());
    seen.stream = &stream;
    seen.request = std::move(head);
    seen.ended = end;
    return &seen;
  }
  void on_response(void* user, ResponseHead&& head, bool end) override {
    static_cast<Seen*>(user)->responses.push_back(std::move(head));
    static_cast<Seen*>(user)->ended = end;
  }
  void on_data(void* user, std::string_view data) override {
    static_cast<Seen*>(user)->body += data;
  }
  void on_end(void* user, Fields&& trailers) override {
    static_cast<Seen*>(user)->ended = true;
    static_cast<Seen*>(user)->trailers = std::move(trailers);
  }
  void on_drained(void* user) override { ++static_cast<Seen*>(user)->drained; }
  void on_closed(void* user, Http2Code code) override {
    auto& seen = *static_cast<Seen*>(user);
    seen.closed = true;
    seen.stream = nullptr;
    seen.code = code;
  }
  void on_peer_changed() override { ++peer_changes; }
  void on_ping_ack(uint64_t opaque) override { pings.push_back(opaque); }

  std::vector<std::unique_ptr<Seen>> streams;
  int peer_changes = 0;
  std::vector<uint64_t> pings;
};

}  // namespace weft::wire::http2_test
