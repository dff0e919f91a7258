// From octets to frames. Frames that lie whole in the input are read where they are; only what is cut is
// collected, and DATA never: its content is handed over in the pieces it comes in. What a frame's header alone
// shows to be wrong is refused before its payload arrives.
#include <algorithm>

#include "wire/http2_session_impl.h"

namespace weft::wire {

namespace {

// A SETTINGS frame may repeat settings; this many are no longer sensible (RFC 9113 §10.5).
constexpr uint32_t kMaxSettings = 64;
constexpr uint32_t kMaxGoaway = 4096;

}  // namespace

void Http2Session::Impl::receive(std::string_view in) {
  while (!in.empty() && !failed) {
    switch (reading) {
      case Reading::kPreface: take_preface(in); break;
      case Reading::kHeader: take_header(in); break;
      case Reading::kPayload: take_payload(in); break;
      case Reading::kData: take_data(in); break;
      case Reading::kSkip: {
        const size_t size = std::min(in.size(), payload_left);
        in.remove_prefix(size);
        payload_left -= size;
        if (payload_left == 0) reading = Reading::kHeader;
        break;
      }
    }
  }
}

void Http2Session::Impl::take_preface(std::string_view& in) {
  const size_t size = std::min(in.size(), preface_left);
  const std::string_view due = kHttp2Preface.substr(kHttp2Preface.size() - preface_left);
  if (!due.starts_with(in.substr(0, size))) return fail(Http2Code::kProtocolError);
  in.remove_prefix(size);
  preface_left -= size;
  if (preface_left == 0) reading = Reading::kHeader;
}

void Http2Session::Impl::take_header(std::string_view& in) {
  if (header_have == 0 && in.size() >= kFrameHeaderSize) {
    frame = parse_frame_header(in);
    in.remove_prefix(kFrameHeaderSize);
  } else {
    const size_t size = std::min(in.size(), kFrameHeaderSize - header_have);
    in.copy(header_octets.data() + header_have, size);
    in.remove_prefix(size);
    header_have += size;
    if (header_have < kFrameHeaderSize) return;
    header_have = 0;
    frame = parse_frame_header({header_octets.data(), kFrameHeaderSize});
  }
  begin_frame();
  // An empty payload has come with its header.
  if (failed || frame.size > 0) return;
  if (reading == Reading::kPayload) end_frame({});
  if (reading == Reading::kData) end_data();
  reading = Reading::kHeader;
}

void Http2Session::Impl::begin_frame() {
  if (!settings_seen && (frame.type != FrameType::kSettings || frame.has(frame_flag::kAck))) {
    return fail(Http2Code::kProtocolError);
  }
  // RFC 9113 §6.10: nothing comes between the pieces of a field block.
  const bool continues =
      frame.type == FrameType::kContinuation && frame.stream == block_stream && block_stream != 0;
  if ((block_stream != 0) != continues) return fail(Http2Code::kProtocolError);
  if (frame.type == FrameType::kContinuation && !continues) return fail(Http2Code::kProtocolError);
  if (frame.size > limits.frame_bytes) return too_large_frame();
  if (frame.type == FrameType::kData) return begin_data();
  if (!check_size()) return;
  if (frame.type > FrameType::kContinuation) return skip_payload();
  partial.clear();
  reading = Reading::kPayload;
}

void Http2Session::Impl::skip_payload() {
  reading = frame.size > 0 ? Reading::kSkip : Reading::kHeader;
  payload_left = frame.size;
}

// RFC 9113 §4.2: an error of the stream where no state of the connection is touched.
void Http2Session::Impl::too_large_frame() {
  if (frame.type != FrameType::kData || frame.stream == 0) return fail(Http2Code::kFrameSizeError);
  if (is_idle(frame.stream)) return fail(Http2Code::kProtocolError);
  connection_window -= frame.size;
  if (connection_window < 0) return fail(Http2Code::kFlowControlError);
  return_connection_window(frame.size);
  stream_error(frame.stream, Http2Code::kFrameSizeError);
  skip_payload();
}

// False: refused or skipped. Stream ids that a type cannot have, and sizes it must have.
bool Http2Session::Impl::check_size() {
  auto refuse = [this](Http2Code code) {
    fail(code);
    return false;
  };
  auto on_stream = [&](bool size_fits) {
    if (frame.stream == 0) return refuse(Http2Code::kProtocolError);
    return size_fits || refuse(Http2Code::kFrameSizeError);
  };
  auto on_connection = [&](bool size_fits) {
    if (frame.stream != 0) return refuse(Http2Code::kProtocolError);
    return size_fits || refuse(Http2Code::kFrameSizeError);
  };
  switch (frame.type) {
    case FrameType::kHeaders: return on_stream(true);
    case FrameType::kPriority:
      count_control();
      if (frame.stream == 0) return refuse(Http2Code::kProtocolError);
      if (frame.size == 5) return true;
      if (is_idle(frame.stream)) return refuse(Http2Code::kFrameSizeError);
      stream_error(frame.stream, Http2Code::kFrameSizeError);
      skip_payload();
      return false;
    case FrameType::kRstStream: return on_stream(frame.size == 4);
    case FrameType::kSettings:
      if (frame.has(frame_flag::kAck)) return on_connection(frame.size == 0);
      if (!on_connection(frame.size % 6 == 0)) return false;
      return frame.size <= kMaxSettings * 6 || refuse(Http2Code::kEnhanceYourCalm);
    // We never allow it: as a client we say so, and clients may not send it at all.
    case FrameType::kPushPromise: return refuse(Http2Code::kProtocolError);
    case FrameType::kPing: return on_connection(frame.size == 8);
    case FrameType::kGoaway:
      return on_connection(frame.size >= 8) &&
             (frame.size <= kMaxGoaway || refuse(Http2Code::kEnhanceYourCalm));
    case FrameType::kWindowUpdate: return frame.size == 4 || refuse(Http2Code::kFrameSizeError);
    default: return true;
  }
}

void Http2Session::Impl::take_payload(std::string_view& in) {
  if (partial.empty() && in.size() >= frame.size) {
    const std::string_view payload = in.substr(0, frame.size);
    in.remove_prefix(frame.size);
    reading = Reading::kHeader;
    return end_frame(payload);
  }
  const size_t size = std::min(in.size(), frame.size - partial.size());
  partial.append(in.substr(0, size));
  in.remove_prefix(size);
  if (partial.size() < frame.size) return;
  reading = Reading::kHeader;
  const Buffer whole = std::move(partial);
  end_frame(whole.view());
}

void Http2Session::Impl::end_frame(std::string_view payload) {
  switch (frame.type) {
    case FrameType::kHeaders: return take_headers(payload);
    case FrameType::kContinuation: return take_continuation(payload);
    case FrameType::kRstStream: return take_rst_stream(payload);
    case FrameType::kSettings: return take_settings(payload);
    case FrameType::kPing: return take_ping(payload);
    case FrameType::kGoaway: return take_goaway(payload);
    case FrameType::kWindowUpdate: return take_window_update(payload);
    default: return;
  }
}

void Http2Session::Impl::begin_data() {
  if (frame.stream == 0 || is_idle(frame.stream)) return fail(Http2Code::kProtocolError);
  padding_known = !frame.has(frame_flag::kPadded);
  padding_left = padding_total = 0;
  if (!padding_known && frame.size == 0) return fail(Http2Code::kFrameSizeError);
  // The whole frame counts against both windows, padding included (RFC 9113 §6.9.1).
  connection_window -= frame.size;
  if (connection_window < 0) return fail(Http2Code::kFlowControlError);
  if (frame.size == 0 && !frame.has(frame_flag::kEndStream)) count_control();
  dropping = !accept_data(streams.find(frame.stream));
  payload_left = frame.size;
  reading = Reading::kData;
}

bool Http2Session::Impl::accept_data(Http2Stream* stream) {
  auto refuse = [this](Http2Code code) {
    stream_error(frame.stream, code);
    return false;
  };
  if (!stream) {
    // A client's own cancelled streams, above all.
    if (!server() || !was_ended_by_peer(frame.stream)) return false;
    return refuse(Http2Code::kStreamClosed);
  }
  if (stream->reset) return false;
  if (stream->peer_ended) return refuse(Http2Code::kStreamClosed);
  if (!stream->head_done) return refuse(Http2Code::kProtocolError);
  if (frame.size > stream->receive_window) return refuse(Http2Code::kFlowControlError);
  stream->receive_window -= frame.size;
  return true;
}

void Http2Session::Impl::take_data(std::string_view& in) {
  if (!padding_known) {
    padding_left = static_cast<uint8_t>(in[0]);
    padding_total = padding_left + 1;
    in.remove_prefix(1);
    --payload_left;
    padding_known = true;
    if (padding_left > payload_left) return fail(Http2Code::kProtocolError);
    if (padding_left == payload_left && !frame.has(frame_flag::kEndStream)) count_control();
  }
  const size_t content = std::min(in.size(), payload_left - padding_left);
  if (content > 0) {
    payload_left -= content;
    deliver(in.substr(0, content));
    in.remove_prefix(content);
  }
  if (payload_left == padding_left) {
    const size_t padding = std::min(in.size(), padding_left);
    in.remove_prefix(padding);
    padding_left -= padding;
    payload_left -= padding;
  }
  if (payload_left > 0 || failed) return;
  reading = Reading::kHeader;
  end_data();
}

void Http2Session::Impl::deliver(std::string_view content) {
  Http2Stream* stream = dropping ? nullptr : streams.find(frame.stream);
  if (!stream || stream->reset) return;
  stream->body_received += content.size();
  if (stream->body_received > stream->body_expected) {
    dropping = true;
    return stream_error(stream->id, Http2Code::kProtocolError);
  }
  if (stream->user) return events.on_data(stream->user, content);
  consume(*stream, content.size());
}

void Http2Session::Impl::end_data() {
  return_connection_window(frame.size);
  Http2Stream* stream = dropping ? nullptr : streams.find(frame.stream);
  if (!stream || stream->reset) return;
  if (frame.has(frame_flag::kEndStream)) {
    stream->peer_ended = true;
    return message_ended(*stream);
  }
  consume(*stream, padding_total);
}

// The peer's END_STREAM has come without trailers.
void Http2Session::Impl::message_ended(Http2Stream& stream) {
  if (stream.body_expected != Http2Stream::kAnyLength &&
      stream.body_received != stream.body_expected) {
    return stream_error(stream.id, Http2Code::kProtocolError);
  }
  if (stream.user) events.on_end(stream.user, {});
  if (stream.end_sent && !stream.reset) close(stream, Http2Code::kNoError);
}

}  // namespace weft::wire
