// The inside of Http2Session, shared by its .cc files; nobody else includes it.
//
// All frames but DATA are written into `pending` at once and in order, which is what HPACK needs; produce()
// moves them out and puts DATA behind. A stream is over only when its last frame has left produce(): until then
// its id stands in `ending`.
#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "wire/hpack_decoder.h"
#include "wire/hpack_encoder.h"
#include "wire/http2_frame.h"
#include "wire/http2_mapping.h"
#include "wire/http2_session.h"
#include "wire/http2_streams.h"
#include "wire/rate_budget.h"

namespace weft::wire {

struct Http2Session::Impl {
  Impl(Role r, const Http2Limits& l, const Clock& c, Http2Events& e);

  bool server() const { return role == Role::kServer; }

  // Receiving: http2_receive.cc.
  void receive(std::string_view in);
  void take_preface(std::string_view& in);
  void take_header(std::string_view& in);
  void begin_frame();
  bool check_size();
  void too_large_frame();
  void take_payload(std::string_view& in);
  void end_frame(std::string_view payload);
  void skip_payload();
  void begin_data();
  bool accept_data(Http2Stream* stream);
  void take_data(std::string_view& in);
  void deliver(std::string_view content);
  void end_data();
  void message_ended(Http2Stream& stream);

  // Control frames: http2_control.cc.
  void take_settings(std::string_view payload);
  bool apply_setting(uint16_t name, uint32_t value);
  void change_send_windows(uint32_t initial);
  void settings_acknowledged();
  void take_ping(std::string_view payload);
  void take_goaway(std::string_view payload);
  void take_window_update(std::string_view payload);
  void earn_updates(uint32_t count) {
    updates_earned = std::min(updates_earned + count, kMostUpdatesEarned);
  }
  void take_rst_stream(std::string_view payload);
  void write_drain_ping();

  // Field blocks: http2_heads.cc.
  void take_headers(std::string_view payload);
  void take_continuation(std::string_view payload);
  void block_done(std::string_view octets);
  void new_request(uint32_t id, bool end, std::string_view octets);
  void late_headers(uint32_t id, const Http2Stream* stream, std::string_view octets);
  bool decode(std::string_view octets, bool keep);
  void request_complete(uint32_t id, bool end);
  void reject_large_request(uint32_t id, bool end);
  void response_complete(Http2Stream& stream, bool end);
  void trailers_complete(Http2Stream& stream, bool end);

  // What we know of ids (RFC 9113 §5.1.1).
  bool is_idle(uint32_t id) const;
  bool was_skipped(uint32_t id) const;
  bool was_ended_by_peer(uint32_t id) const;
  void note_ended_by_peer(uint32_t id) { ended_ids[(id >> 1) % ended_ids.size()] = id; }
  void note_skipped(uint32_t from, uint32_t to);

  // Ends: http2_session.cc.
  Http2Stream& add_stream(uint32_t id, void* user);
  void fail(Http2Code code);
  void stream_error(uint32_t id, Http2Code code);
  void reset(Http2Stream& stream, Http2Code code);
  void write_reset(uint32_t id, Http2Code code);
  void close(Http2Stream& stream, Http2Code code);
  void stop_peer(Http2Stream& stream);
  void count_reset();
  void count_control();

  // Sending: http2_send.cc.
  void write_opening();
  void write_goaway(uint32_t last, Http2Code code);
  void write_final_goaway();
  void write_head(Http2Stream& stream, bool end);
  void write_end(Http2Stream& stream);
  void encode_lines();
  void return_connection_window(uint32_t size);
  void consume(Http2Stream& stream, size_t size);
  void produce(Buffer& out, size_t limit);
  void flush(Buffer& out);
  void settle(Http2Stream& stream);
  void write_data(Http2Stream& stream, Buffer& out, size_t room);
  void wake(Http2Stream& stream);

  const Role role;
  const Http2Limits limits;
  const Clock& clock;
  Http2Events& events;
  RateBudget resets;
  RateBudget control;
  Http2Streams streams;
  bool failed = false;      // GOAWAY is written, nothing else counts
  bool going_away = false;  // the peer said so
  bool draining = false;
  bool drained = false;  // the GOAWAY that counts is written

  // Receiving.
  enum class Reading : uint8_t { kPreface, kHeader, kPayload, kData, kSkip };
  Reading reading;
  size_t preface_left;
  FrameHeader frame;
  std::array<char, kFrameHeaderSize> header_octets{};
  size_t header_have = 0;
  size_t payload_left = 0;  // of DATA or of what is skipped
  size_t padding_left = 0;
  size_t padding_total = 0;  // its length octet included
  bool padding_known = true;
  bool dropping = false;  // this DATA is nobody's
  Buffer partial;         // the payload of a frame that comes in pieces
  bool settings_seen = false;
  HpackDecoder decoder;
  Http2Section section;
  Buffer block;               // a field block that comes in several frames
  uint32_t block_stream = 0;  // 0: none is open
  bool block_end = false;     // END_STREAM of its HEADERS
  uint32_t continuations = 0;
  int64_t connection_window = kDefaultWindow;  // what the peer may still send
  uint32_t connection_unreturned = 0;
  int64_t stream_window;  // of new streams, for the peer
  bool settings_acknowledged_once = false;
  uint32_t last_peer_id = 0;      // the highest stream the peer has opened
  uint32_t last_accepted_id = 0;  // the highest that was handed over
  uint32_t goaway_last = kLargestStreamId;
  struct Skipped {
    uint32_t from = 0;
    uint32_t to = 0;
  };
  std::array<Skipped, 4> skipped{};
  size_t skipped_next = 0;
  std::array<uint32_t, 16> ended_ids{};  // streams that the peer has ended lately, by id

  // Sending.
  Buffer pending;
  uint64_t flushed = 0;  // octets of it that have ever left
  std::vector<uint32_t> ending;
  std::vector<uint32_t> settling;
  Http2SendQueue queue;
  HpackEncoder encoder;
  int64_t send_window = kDefaultWindow;
  int64_t initial_send_window = kDefaultWindow;
  uint32_t peer_frame = kDefaultFrameSize;
  uint32_t peer_streams = kStreamsBeforeSettings;
  bool peer_extended_connect = false;
  uint32_t next_id = 1;
  uint32_t updates_earned = 0;  // WINDOW_UPDATE frames that what we sent explains
  static constexpr uint32_t kStreamsBeforeSettings = 100;
  static constexpr uint32_t kMostUpdatesEarned = 100'000;
  // Reused for every head.
  std::vector<Http2Line> lines;
  std::string scratch;
  std::string lower;
  Buffer encoded;
};

}  // namespace weft::wire
