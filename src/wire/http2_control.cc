// Frames that steer: SETTINGS, PING, GOAWAY, WINDOW_UPDATE, RST_STREAM (RFC 9113 §6). Sizes and stream ids have
// been checked. What costs us an answer or could be repeated for nothing is counted against a budget.
#include <algorithm>
#include <utility>

#include "wire/http2_session_impl.h"

namespace weft::wire {

namespace {

// Tells our drain PING from any other.
constexpr std::string_view kDrainPing = "weftdrai";

}  // namespace

void Http2Session::Impl::take_settings(std::string_view payload) {
  if (frame.has(frame_flag::kAck)) return settings_acknowledged();
  if (settings_seen) count_control();
  if (!settings_seen) peer_streams = kLargestStreamId;
  settings_seen = true;
  for (; !payload.empty() && !failed; payload.remove_prefix(6)) {
    if (!apply_setting(get_u16(payload), get_u32(payload.substr(2)))) return;
  }
  if (failed) return;
  append_frame_header(pending, {.type = FrameType::kSettings, .flags = frame_flag::kAck});
  events.on_peer_changed();
}

// False: the connection has failed.
bool Http2Session::Impl::apply_setting(uint16_t name, uint32_t value) {
  auto refuse = [this](Http2Code code) {
    fail(code);
    return false;
  };
  switch (name) {
    case setting::kHeaderTableSize: encoder.set_limit(value); return true;
    case setting::kEnablePush:
      return value == 0 || (server() && value == 1) || refuse(Http2Code::kProtocolError);
    case setting::kMaxConcurrentStreams: peer_streams = value; return true;
    case setting::kInitialWindowSize:
      if (value > kLargestWindow) return refuse(Http2Code::kFlowControlError);
      change_send_windows(value);
      return !failed;
    case setting::kMaxFrameSize:
      if (value < kDefaultFrameSize || value > kLargestFrameSize) {
        return refuse(Http2Code::kProtocolError);
      }
      peer_frame = value;
      return true;
    case setting::kEnableConnectProtocol:
      if (value > 1 || (peer_extended_connect && value == 0)) {
        return refuse(Http2Code::kProtocolError);
      }
      peer_extended_connect = value == 1;
      return true;
    default: return true;
  }
}

// RFC 9113 §6.9.2; windows may become negative.
void Http2Session::Impl::change_send_windows(uint32_t initial) {
  const int64_t change = int64_t{initial} - initial_send_window;
  initial_send_window = initial;
  bool overflow = false;
  streams.for_each([&](Http2Stream& stream) {
    stream.send_window += change;
    overflow = overflow || stream.send_window > kLargestWindow;
    wake(stream);
  });
  if (overflow) fail(Http2Code::kFlowControlError);
}

// Our own limits hold for the peer from here on.
void Http2Session::Impl::settings_acknowledged() {
  if (std::exchange(settings_acknowledged_once, true)) return count_control();
  decoder.set_limit(limits.header_table);
  const int64_t change = int64_t{limits.stream_window} - stream_window;
  stream_window = limits.stream_window;
  if (change == 0) return;
  streams.for_each([&](Http2Stream& stream) { stream.receive_window += change; });
}

void Http2Session::Impl::take_ping(std::string_view payload) {
  if (!frame.has(frame_flag::kAck)) {
    count_control();
    if (failed) return;
    append_frame_header(pending, {.size = 8, .type = FrameType::kPing, .flags = frame_flag::kAck});
    pending.append(payload);
  } else if (payload == kDrainPing) {
    if (draining && !drained) write_final_goaway();
  } else {
    events.on_ping_ack(uint64_t{get_u32(payload)} << 32 | get_u32(payload.substr(4)));
  }
}

// The peer will not act on streams above the one it names (RFC 9113 §6.8).
void Http2Session::Impl::take_goaway(std::string_view payload) {
  going_away = true;
  if (!server()) {
    const uint32_t last = get_u32(payload) & kLargestStreamId;
    std::vector<uint32_t> lost;
    streams.for_each([&](const Http2Stream& stream) {
      if (stream.id > last) lost.push_back(stream.id);
    });
    std::sort(lost.begin(), lost.end());
    for (const uint32_t id : lost) {
      if (Http2Stream* stream = streams.find(id)) close(*stream, Http2Code::kRefusedStream);
    }
  }
  events.on_peer_changed();
}

void Http2Session::Impl::take_window_update(std::string_view payload) {
  const uint32_t step = get_u32(payload) & kLargestStreamId;
  if (updates_earned > 0) {
    --updates_earned;
  } else {
    count_control();
  }
  if (failed) return;
  if (frame.stream == 0) {
    if (step == 0) return fail(Http2Code::kProtocolError);
    send_window += step;
    if (send_window > kLargestWindow) fail(Http2Code::kFlowControlError);
    return;
  }
  if (is_idle(frame.stream)) return fail(Http2Code::kProtocolError);
  Http2Stream* stream = streams.find(frame.stream);
  if (!stream || stream->reset) return;
  if (step == 0) return stream_error(stream->id, Http2Code::kProtocolError);
  stream->send_window += step;
  if (stream->send_window > kLargestWindow) {
    return stream_error(stream->id, Http2Code::kFlowControlError);
  }
  wake(*stream);
}

void Http2Session::Impl::take_rst_stream(std::string_view payload) {
  if (is_idle(frame.stream)) return fail(Http2Code::kProtocolError);
  count_reset();
  if (failed) return;
  if (Http2Stream* stream = streams.find(frame.stream)) {
    stream->peer_ended = true;
    close(*stream, static_cast<Http2Code>(get_u32(payload)));
  }
}

void Http2Session::Impl::write_drain_ping() {
  append_frame_header(pending, {.size = 8, .type = FrameType::kPing});
  pending.append(kDrainPing);
}

}  // namespace weft::wire
