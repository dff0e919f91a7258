// From heads and queued bodies to octets. Heads are encoded when they are said; bodies wait in one Buffer per
// stream and are copied once, behind their frame header, in turn among the streams that may send. The receive
// window of the connection is given back at once and only the stream's is held: one slow reader then cannot stall
// its neighbours, and the memory bound is streams × stream window.
#include <algorithm>
#include <utility>

#include "wire/http2_session_impl.h"

namespace weft::wire {

namespace {

// No smaller piece is cut from a body to meet produce()'s limit; but the limit is met, header included, since what
// is one octet larger takes a block of memory twice the size.
constexpr size_t kSmallestCut = 1024;
// Memory that `pending` keeps when it is empty.
constexpr size_t kKeptPending = 4096;

}  // namespace

void Http2Session::Impl::write_opening() {
  if (!server()) pending.append(kHttp2Preface);
  Buffer settings;
  append_setting(settings, setting::kInitialWindowSize, limits.stream_window);
  append_setting(settings, setting::kMaxHeaderListSize, static_cast<uint32_t>(limits.header_bytes));
  append_setting(settings, setting::kMaxFrameSize, limits.frame_bytes);
  if (limits.header_table != kHpackDefaultTable) {
    append_setting(settings, setting::kHeaderTableSize, limits.header_table);
  }
  if (server()) {
    append_setting(settings, setting::kMaxConcurrentStreams, limits.concurrent_streams);
    append_setting(settings, setting::kNoRfc7540Priorities, 1);
    if (limits.extended_connect) append_setting(settings, setting::kEnableConnectProtocol, 1);
  } else {
    append_setting(settings, setting::kEnablePush, 0);
  }
  append_frame_header(
      pending, {.size = static_cast<uint32_t>(settings.size()), .type = FrameType::kSettings});
  pending.append(settings.view());
  if (limits.connection_window > kDefaultWindow) {
    const auto more = static_cast<uint32_t>(limits.connection_window - kDefaultWindow);
    append_number_frame(pending, FrameType::kWindowUpdate, 0, more);
    connection_window += more;
  }
}

void Http2Session::Impl::write_goaway(uint32_t last, Http2Code code) {
  append_frame_header(pending, {.size = 8, .type = FrameType::kGoaway});
  append_u32(pending, last);
  append_u32(pending, static_cast<uint32_t>(code));
}

void Http2Session::Impl::write_final_goaway() {
  draining = drained = true;
  goaway_last = last_accepted_id;
  write_goaway(goaway_last, Http2Code::kNoError);
}

// `lines` into `encoded`, with names in lower case.
void Http2Session::Impl::encode_lines() {
  encoded.clear();
  encoder.begin(encoded);
  auto is_capital = [](char c) { return c >= 'A' && c <= 'Z'; };
  for (const Http2Line& line : lines) {
    std::string_view name = line.name;
    if (std::any_of(name.begin(), name.end(), is_capital)) {
      lower.assign(name);
      for (char& c : lower) c = static_cast<char>(is_capital(c) ? c + 32 : c);
      name = lower;
    }
    encoder.encode(encoded, name, line.value);
  }
}

// Sends `lines`, in as many frames as the peer's limit asks for.
void Http2Session::Impl::write_head(Http2Stream& stream, bool end) {
  encode_lines();
  std::string_view rest = encoded.view();
  FrameType type = FrameType::kHeaders;
  do {
    const size_t size = std::min<size_t>(rest.size(), peer_frame);
    const bool last = size == rest.size();
    uint8_t flags = last ? frame_flag::kEndHeaders : 0;
    if (end && type == FrameType::kHeaders) flags |= frame_flag::kEndStream;
    append_frame_header(
        pending,
        {.size = static_cast<uint32_t>(size), .type = type, .flags = flags, .stream = stream.id});
    pending.append(rest.substr(0, size));
    rest.remove_prefix(size);
    type = FrameType::kContinuation;
  } while (!rest.empty());
  if (stream.head_end == 0) stream.head_end = flushed + pending.size();
  if (!end) return;
  stream.out_end = stream.local_ended = true;
  ending.push_back(stream.id);
}

// Nothing is queued any more: says so with the trailers, or with an empty DATA frame.
void Http2Session::Impl::write_end(Http2Stream& stream) {
  lines.clear();
  list_trailers(stream.trailers, lines);
  if (!lines.empty()) return write_head(stream, true);
  append_frame_header(
      pending, {.type = FrameType::kData, .flags = frame_flag::kEndStream, .stream = stream.id});
  stream.local_ended = true;
  ending.push_back(stream.id);
}

void Http2Session::Impl::return_connection_window(uint32_t size) {
  connection_unreturned += size;
  const auto whole = std::max<int64_t>(kDefaultWindow, limits.connection_window);
  if (connection_unreturned < whole / 2 || failed) return;
  append_number_frame(pending, FrameType::kWindowUpdate, 0, connection_unreturned);
  connection_window += std::exchange(connection_unreturned, 0);
}

void Http2Session::Impl::consume(Http2Stream& stream, size_t size) {
  if (stream.reset || stream.peer_ended || failed) return;
  stream.unreturned += static_cast<uint32_t>(size);
  if (stream.unreturned == 0 || stream.unreturned < limits.stream_window / 2) return;
  append_number_frame(pending, FrameType::kWindowUpdate, stream.id, stream.unreturned);
  stream.receive_window += std::exchange(stream.unreturned, 0);
}

// The stream may send when it has something and a window.
void Http2Session::Impl::wake(Http2Stream& stream) {
  if (!stream.out.empty() && stream.send_window > 0 && !stream.reset) queue.push(stream);
}

// What is pending leaves; streams whose last frame that was are settled, which may say more.
void Http2Session::Impl::flush(Buffer& out) {
  while (!pending.empty()) {
    const size_t size = pending.size();
    flushed += size;
    out.append(std::move(pending));
    if (size > kKeptPending) pending.release_if_empty();
    settling.swap(ending);
    for (const uint32_t id : settling) {
      if (Http2Stream* stream = streams.find(id)) settle(*stream);
    }
    settling.clear();
  }
}

// Our last frame on this stream has left.
void Http2Session::Impl::settle(Http2Stream& stream) {
  if (stream.reset) return close(stream, stream.reset_code);
  stream.end_sent = true;
  if (stream.peer_ended) return close(stream, Http2Code::kNoError);
  stop_peer(stream);
}

void Http2Session::Impl::produce(Buffer& out, size_t limit) {
  flush(out);
  while (!failed && out.size() < limit && send_window > 0 && queue.first()) {
    const size_t room = limit - out.size();
    if (room < kFrameHeaderSize + kSmallestCut && !out.empty()) break;
    Http2Stream& stream = *queue.first();
    queue.remove(stream);
    write_data(stream, out, std::max(room, kFrameHeaderSize + kSmallestCut) - kFrameHeaderSize);
    flush(out);
  }
}

void Http2Session::Impl::write_data(Http2Stream& stream, Buffer& out, size_t room) {
  const size_t most = std::min({int64_t{peer_frame}, int64_t{limits.frame_bytes}, send_window,
                                stream.send_window, int64_t(room)});
  const size_t size = std::min<size_t>(stream.out.size(), most);
  const bool last = stream.out_end && size == stream.out.size();
  const bool ends = last && stream.trailers.empty();
  out.prepare(kFrameHeaderSize + size);
  append_frame_header(out, {.size = static_cast<uint32_t>(size),
                            .type = FrameType::kData,
                            .flags = ends ? frame_flag::kEndStream : uint8_t{0},
                            .stream = stream.id});
  out.append(stream.out.view().substr(0, size));
  stream.out.consume(size);
  stream.send_window -= static_cast<int64_t>(size);
  send_window -= static_cast<int64_t>(size);
  earn_updates(2 + static_cast<uint32_t>(size / 1024));
  wake(stream);
  if (stream.out.empty()) stream.out.release_if_empty();
  if (ends) {
    stream.local_ended = true;
    return settle(stream);
  }
  if (last) return write_end(stream);
  if (!stream.above_high || stream.out.size() > kQueueLow) return;
  stream.above_high = false;
  if (stream.user) events.on_drained(stream.user);
}

}  // namespace weft::wire
