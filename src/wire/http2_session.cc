// The face of the session, and how streams and the connection end. We had libnghttp2 behind this interface: it took
// twice the CPU for small messages, for it makes an object of every frame, keeps a tree of streams and copies
// each field line.
#include "wire/http2_session.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "wire/http2_session_impl.h"

namespace weft::wire {

Http2Session::Impl::Impl(Role r, const Http2Limits& l, const Clock& c, Http2Events& e)
    : role(r),
      limits(l),
      clock(c),
      events(e),
      resets(l.reset_burst, l.reset_period),
      control(l.control_burst, l.control_period),
      reading(r == Role::kServer ? Reading::kPreface : Reading::kHeader),
      preface_left(kHttp2Preface.size()),
      section(l.header_bytes, l.header_lines),
      // A peer may use the default until it has acknowledged our settings.
      stream_window(std::max<int64_t>(kDefaultWindow, l.stream_window)),
      encoder(l.plain_literals) {
  WEFT_ASSERT(l.frame_bytes >= kDefaultFrameSize && l.frame_bytes <= kLargestFrameSize);
  WEFT_ASSERT(l.header_table <= kHpackDefaultTable);
  write_opening();
}

Http2Stream& Http2Session::Impl::add_stream(uint32_t id, void* user) {
  Http2Stream& stream = streams.add(id);
  stream.user = user;
  stream.send_window = initial_send_window;
  stream.receive_window = stream_window;
  stream.flushed = &flushed;
  earn_updates(4);
  return stream;
}

// Ends the connection: a GOAWAY is the last frame.
void Http2Session::Impl::fail(Http2Code code) {
  if (std::exchange(failed, true)) return;
  write_goaway(last_accepted_id, code);
}

void Http2Session::Impl::write_reset(uint32_t id, Http2Code code) {
  append_number_frame(pending, FrameType::kRstStream, id, static_cast<uint32_t>(code));
  // A peer can also make us do the resetting (CVE-2025-8671): the same budget.
  if (code != Http2Code::kNoError && code != Http2Code::kCancel &&
      code != Http2Code::kRefusedStream) {
    count_reset();
  }
}

// The peer broke a rule on a stream, whether we still know it or not.
void Http2Session::Impl::stream_error(uint32_t id, Http2Code code) {
  Http2Stream* stream = streams.find(id);
  stream ? reset(*stream, code) : write_reset(id, code);
}

void Http2Session::Impl::reset(Http2Stream& stream, Http2Code code) {
  if (stream.reset || failed) return;
  stream.reset = true;
  stream.reset_code = code;
  stream.out_end = true;
  queue.remove(stream);
  stream.out = Buffer();
  ending.push_back(stream.id);
  write_reset(stream.id, code);
}

void Http2Session::Impl::close(Http2Stream& stream, Http2Code code) {
  void* const owner = stream.user;
  // What never left cannot have been acted on.
  if (!server() && !Http2Session::sent(stream)) code = Http2Code::kRefusedStream;
  if (stream.peer_ended) note_ended_by_peer(stream.id);
  queue.remove(stream);
  streams.remove(stream);
  if (owner) events.on_closed(owner, code);
}

// Everything is said and nobody listens any more: no need for the peer to go on (RFC 9113 §8.1).
void Http2Session::Impl::stop_peer(Http2Stream& stream) {
  if (server() && stream.end_sent && !stream.user && !stream.peer_ended) {
    reset(stream, Http2Code::kNoError);
  }
}

void Http2Session::Impl::count_reset() {
  if (server() && !resets.spend(clock.now())) fail(Http2Code::kEnhanceYourCalm);
}

void Http2Session::Impl::count_control() {
  if (!control.spend(clock.now())) fail(Http2Code::kEnhanceYourCalm);
}

Http2Session::Http2Session(Role role, const Http2Limits& limits, const Clock& clock,
                           Http2Events& events)
    : impl_(std::make_unique<Impl>(role, limits, clock, events)) {}

Http2Session::~Http2Session() = default;

bool Http2Session::receive(std::string_view bytes) {
  impl_->receive(bytes);
  return !impl_->failed;
}

void Http2Session::produce(Buffer& out, size_t limit) { impl_->produce(out, limit); }

bool Http2Session::wants_write() const {
  return !impl_->pending.empty() ||
         (!impl_->failed && impl_->send_window > 0 && impl_->queue.first());
}

size_t Http2Session::unsent_frames() const { return impl_->pending.size(); }

bool Http2Session::finished() const {
  if (wants_write()) return false;
  return impl_->failed || ((impl_->going_away || impl_->drained) && impl_->streams.size() == 0);
}

Http2Stream* Http2Session::open(const RequestHead& head, bool end, void* user) {
  Impl& impl = *impl_;
  if (impl.failed || impl.next_id > kLargestStreamId) return nullptr;
  Http2Stream& stream = impl.add_stream(impl.next_id, user);
  impl.next_id += 2;
  stream.to_head = head.method == "HEAD";
  stream.to_connect = head.method == "CONNECT";
  impl.lines.clear();
  list_request(head, impl.lines, impl.scratch);
  impl.write_head(stream, end);
  return &stream;
}

bool Http2Session::can_open() const {
  return !going_away() && impl_->next_id <= kLargestStreamId &&
         impl_->streams.size() < impl_->peer_streams;
}

bool Http2Session::peer_takes_extended_connect() const { return impl_->peer_extended_connect; }
bool Http2Session::peer_settings_seen() const { return impl_->settings_seen; }
bool Http2Session::going_away() const {
  return impl_->failed || impl_->going_away || impl_->draining;
}
size_t Http2Session::open_streams() const { return impl_->streams.size(); }

void Http2Session::send_interim(Http2Stream& stream, const ResponseHead& head) {
  if (stream.reset || stream.local_ended || impl_->failed) return;
  impl_->lines.clear();
  list_response(head, impl_->lines, impl_->scratch);
  impl_->write_head(stream, false);
}

void Http2Session::send_response(Http2Stream& stream, const ResponseHead& head, bool end) {
  if (stream.reset || stream.local_ended || impl_->failed) return;
  impl_->lines.clear();
  list_response(head, impl_->lines, impl_->scratch);
  impl_->write_head(stream, end);
}

bool Http2Session::send_data(Http2Stream& stream, Buffer&& data) {
  if (stream.out_end || impl_->failed) return true;
  stream.out.append(std::move(data));
  impl_->wake(stream);
  if (stream.out.size() > kQueueHigh) stream.above_high = true;
  return !stream.above_high;
}

void Http2Session::finish(Http2Stream& stream, Fields&& trailers) {
  if (stream.out_end || impl_->failed) return;
  stream.out_end = true;
  stream.trailers = std::move(trailers);
  if (stream.out.empty()) impl_->write_end(stream);
}

void Http2Session::reset(Http2Stream& stream, Http2Code code) { impl_->reset(stream, code); }

void Http2Session::forget(Http2Stream& stream) {
  stream.user = nullptr;
  impl_->stop_peer(stream);
}

bool Http2Session::sent(const Http2Stream& stream) { return *stream.flushed >= stream.head_end; }

void Http2Session::consume(Http2Stream& stream, size_t size) { impl_->consume(stream, size); }

void Http2Session::ping(uint64_t opaque) {
  if (impl_->failed) return;
  append_frame_header(impl_->pending, {.size = 8, .type = FrameType::kPing});
  append_u32(impl_->pending, static_cast<uint32_t>(opaque >> 32));
  append_u32(impl_->pending, static_cast<uint32_t>(opaque));
}

void Http2Session::begin_drain() {
  if (impl_->draining || impl_->failed) return;
  if (impl_->server()) {
    impl_->draining = true;
    impl_->write_goaway(kLargestStreamId, Http2Code::kNoError);
    impl_->write_drain_ping();
  } else {
    impl_->write_final_goaway();
  }
}

void Http2Session::finish_drain() {
  if (impl_->server() && !impl_->drained && !impl_->failed) impl_->write_final_goaway();
}

void Http2Session::terminate(Http2Code code) { impl_->fail(code); }

}  // namespace weft::wire
