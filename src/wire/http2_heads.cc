// Field blocks: put together from HEADERS and CONTINUATION, decoded whatever becomes of them (or HPACK loses
// step), and handed over as heads and trailers. Where a block arrives decides what it is.
#include <algorithm>
#include <utility>

#include "wire/http2_session_impl.h"

namespace weft::wire {

namespace {

// Encoded octets of one field block beyond this cannot be a head within the limits.
size_t block_limit(const Http2Limits& limits) { return 2 * limits.header_bytes + 16 * 1024; }

uint64_t expected_length(const BodyLength& length) {
  return length.kind == BodyLength::kSized ? length.size : Http2Stream::kAnyLength;
}

}  // namespace

void Http2Session::Impl::take_headers(std::string_view payload) {
  size_t padding = 0;
  if (frame.has(frame_flag::kPadded)) {
    if (payload.empty()) return fail(Http2Code::kFrameSizeError);
    padding = static_cast<uint8_t>(payload[0]);
    payload.remove_prefix(1);
  }
  if (frame.has(frame_flag::kPriority)) {
    if (payload.size() < 5) return fail(Http2Code::kFrameSizeError);
    payload.remove_prefix(5);
  }
  if (padding > payload.size()) return fail(Http2Code::kProtocolError);
  payload.remove_suffix(padding);
  // Only a client opens streams, with odd ids (RFC 9113 §5.1.1); pushes were never allowed.
  if (frame.stream % 2 == 0 || (!server() && is_idle(frame.stream)) || was_skipped(frame.stream)) {
    return fail(Http2Code::kProtocolError);
  }
  block_stream = frame.stream;
  block_end = frame.has(frame_flag::kEndStream);
  continuations = 0;
  if (frame.has(frame_flag::kEndHeaders)) return block_done(payload);
  if (payload.size() > block_limit(limits)) return fail(Http2Code::kEnhanceYourCalm);
  block.clear();
  block.append(payload);
}

void Http2Session::Impl::take_continuation(std::string_view payload) {
  if (++continuations > limits.continuations) return fail(Http2Code::kEnhanceYourCalm);
  if (block.size() + payload.size() > block_limit(limits)) {
    return fail(Http2Code::kEnhanceYourCalm);
  }
  block.append(payload);
  if (!frame.has(frame_flag::kEndHeaders)) return;
  const Buffer whole = std::move(block);
  block_done(whole.view());
}

// Into `section` if it is to be kept. False: the connection has failed.
bool Http2Session::Impl::decode(std::string_view octets, bool keep) {
  decoder.begin(octets);
  HpackField field;
  for (;;) {
    switch (decoder.next(field)) {
      case HpackDecoder::Step::kField:
        if (keep) section.add(field.name, field.value, field.static_name);
        break;
      case HpackDecoder::Step::kEnd: return true;
      case HpackDecoder::Step::kError: fail(Http2Code::kCompressionError); return false;
    }
  }
}

void Http2Session::Impl::block_done(std::string_view octets) {
  const uint32_t id = std::exchange(block_stream, 0);
  const bool end = block_end;
  Http2Stream* stream = streams.find(id);
  if (!stream && is_idle(id)) return new_request(id, end, octets);
  if (!stream || stream->reset || stream->peer_ended) return late_headers(id, stream, octets);
  section.begin(stream->head_done ? Http2Section::Kind::kTrailers : Http2Section::Kind::kResponse);
  if (!decode(octets, true)) return;
  stream->head_done ? trailers_complete(*stream, end) : response_complete(*stream, end);
}

void Http2Session::Impl::new_request(uint32_t id, bool end, std::string_view octets) {
  if (id > last_peer_id + 2) note_skipped(last_peer_id + 1, id - 1);
  last_peer_id = id;
  const bool full = streams.size() >= limits.concurrent_streams;
  const bool ignored = id > goaway_last;
  section.begin(Http2Section::Kind::kRequest);
  if (!decode(octets, !full && !ignored) || ignored) return;
  if (!full) return request_complete(id, end);
  write_reset(id, Http2Code::kRefusedStream);
  // Until our limit is known to the peer this is no fault of it.
  if (settings_acknowledged_once) count_control();
}

// Headers for a stream on which the peer has nothing more to say (RFC 9113 §5.1).
void Http2Session::Impl::late_headers(uint32_t id, const Http2Stream* stream,
                                      std::string_view octets) {
  if (!decode(octets, false)) return;
  if (stream ? stream->reset : !server() || !was_ended_by_peer(id)) return;
  stream_error(id, Http2Code::kStreamClosed);
}

void Http2Session::Impl::request_complete(uint32_t id, bool end) {
  if (section.too_large()) return reject_large_request(id, end);
  RequestHead head;
  if (!section.take_request(head, end, limits.extended_connect)) {
    return stream_error(id, Http2Code::kProtocolError);
  }
  Http2Stream& stream = add_stream(id, nullptr);
  stream.head_done = true;
  stream.peer_ended = end;
  stream.body_expected = expected_length(head.length);
  last_accepted_id = id;
  stream.user = events.on_request(stream, std::move(head), end);
}

// Says so, and takes nothing more of this stream.
void Http2Session::Impl::reject_large_request(uint32_t id, bool end) {
  Http2Stream& stream = add_stream(id, nullptr);
  stream.head_done = true;
  stream.peer_ended = end;
  last_accepted_id = id;
  ResponseHead head;
  head.status = 431;
  head.length = {BodyLength::kSized, 0};
  lines.clear();
  list_response(head, lines, scratch);
  write_head(stream, true);
}

void Http2Session::Impl::response_complete(Http2Stream& stream, bool end) {
  ResponseHead head;
  if (section.too_large() || !section.take_response(head, end, stream.to_connect)) {
    return stream_error(stream.id, Http2Code::kProtocolError);
  }
  const bool interim = head.interim();
  if (!interim) {
    const bool bare = stream.to_head || head.status == 204 || head.status == 304;
    stream.body_expected = bare ? 0 : expected_length(head.length);
    if (end && stream.body_expected != 0 && stream.body_expected != Http2Stream::kAnyLength) {
      return stream_error(stream.id, Http2Code::kProtocolError);
    }
    stream.head_done = true;
    stream.peer_ended = end;
  }
  if (stream.user) events.on_response(stream.user, std::move(head), end);
  if (end && stream.end_sent && !stream.reset) close(stream, Http2Code::kNoError);
}

void Http2Session::Impl::trailers_complete(Http2Stream& stream, bool end) {
  Fields trailers;
  const bool whole = stream.body_expected == Http2Stream::kAnyLength ||
                     stream.body_received == stream.body_expected;
  if (!end || !whole || section.too_large() || !section.take_trailers(trailers)) {
    return stream_error(stream.id, Http2Code::kProtocolError);
  }
  stream.peer_ended = true;
  if (stream.user) events.on_end(stream.user, std::move(trailers));
  if (stream.end_sent && !stream.reset) close(stream, Http2Code::kNoError);
}

bool Http2Session::Impl::is_idle(uint32_t id) const {
  if (id % 2 == 0) return true;  // nobody opens these
  return server() ? id > last_peer_id : id >= next_id;
}

// Ids that the peer passed over are closed without ever having been open (§5.1.1). Remembered are the last
// few gaps, which is more than any peer leaves that does not want to.
void Http2Session::Impl::note_skipped(uint32_t from, uint32_t to) {
  skipped[skipped_next++ % skipped.size()] = {from, to};
}

bool Http2Session::Impl::was_skipped(uint32_t id) const {
  return std::any_of(skipped.begin(), skipped.end(), [&](const Skipped& gap) {
    return id >= gap.from && id <= gap.to && gap.to != 0;
  });
}

// Only who ended a stream himself is to blame for what he sends on it later. Other closed streams we have
// reset, and frames may be under way, for as long as a hundred newer streams take.
bool Http2Session::Impl::was_ended_by_peer(uint32_t id) const {
  return ended_ids[(id >> 1) % ended_ids.size()] == id;
}

}  // namespace weft::wire
