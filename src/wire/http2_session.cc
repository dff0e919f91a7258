// libnghttp2 behind our interface. Body bytes to send stay in one Buffer per stream and are copied once,
// straight behind their frame header into the output (NO_COPY). The connection's receive window is given
// back at once and only the stream's is held: one slow reader then cannot stall its neighbours, and the
// memory bound is streams × stream window.
#include "wire/http2_session.h"

#include "base/assert.h"
#include "wire/http2_session_impl.h"

namespace weft::wire {

namespace {

constexpr size_t kMaxSentHead = 512 * 1024;

}  // namespace

Http2Session::Http2Session(Role role, const Http2Limits& limits, const Clock& clock,
                           Http2Events& events)
    : impl_(std::make_unique<Impl>(role, limits, clock, events)) {
  nghttp2_option* option = nullptr;
  nghttp2_session_callbacks* callbacks = nullptr;
  WEFT_ASSERT(nghttp2_option_new(&option) == 0 && nghttp2_session_callbacks_new(&callbacks) == 0);
  nghttp2_option_set_no_auto_window_update(option, 1);
  nghttp2_option_set_no_closed_streams(option, 1);
  // The library counts a CONTINUATION again for every piece its frame header comes in: we count frames,
  // and its own bound only backs ours.
  nghttp2_option_set_max_continuations(option, size_t{limits.continuations} * 100);
  // What we send was bounded when it came in; the library's own bound would cut the connection.
  nghttp2_option_set_max_send_header_block_length(option, kMaxSentHead);
  impl_->install_callbacks(callbacks);
  const bool server = role == Role::kServer;
  auto make = server ? nghttp2_session_server_new2 : nghttp2_session_client_new2;
  WEFT_ASSERT(make(&impl_->session, callbacks, impl_.get(), option) == 0);
  nghttp2_session_callbacks_del(callbacks);
  nghttp2_option_del(option);

  std::vector<nghttp2_settings_entry> settings = {
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits.stream_window},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<uint32_t>(limits.header_bytes)},
  };
  if (server) {
    settings.push_back({NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits.concurrent_streams});
    settings.push_back({NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1});
  } else {
    settings.push_back({NGHTTP2_SETTINGS_ENABLE_PUSH, 0});
  }
  nghttp2_submit_settings(impl_->session, NGHTTP2_FLAG_NONE, settings.data(), settings.size());
  nghttp2_session_set_local_window_size(impl_->session, NGHTTP2_FLAG_NONE, 0,
                                        static_cast<int32_t>(limits.connection_window));
}

Http2Session::~Http2Session() {
  nghttp2_session_del(impl_->session);
  while (impl_->first) impl_->drop_state(impl_->first);
}

bool Http2Session::receive(std::string_view bytes) {
  if (impl_->failed) return false;
  const ssize_t taken = nghttp2_session_mem_recv(
      impl_->session, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  if (taken < 0) {
    impl_->failed = true;
    const bool flooded = taken == NGHTTP2_ERR_FLOODED;
    nghttp2_session_terminate_session(impl_->session,
                                      flooded ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR);
  }
  return !impl_->failed;
}

void Http2Session::produce(Buffer& out, size_t limit) {
  impl_->sink = &out;
  impl_->sink_limit = limit;
  if (nghttp2_session_send(impl_->session) != 0) impl_->failed = true;
  impl_->sink = nullptr;
}

bool Http2Session::wants_write() const { return nghttp2_session_want_write(impl_->session) != 0; }

bool Http2Session::finished() const {
  return (impl_->failed || nghttp2_session_want_read(impl_->session) == 0) && !wants_write();
}

Http2Stream* Http2Session::open(const RequestHead& head, bool end, void* user) {
  impl_->lines.clear();
  list_request(head, impl_->lines, impl_->scratch);
  impl_->to_nv();
  Http2Stream* stream = impl_->add_state(0, user);
  const nghttp2_data_provider provider = impl_->provider(*stream);
  stream->id = nghttp2_submit_request(impl_->session, nullptr, impl_->nv.data(), impl_->nv.size(),
                                      end ? nullptr : &provider, stream);
  stream->local_ended = end;
  if (stream->id > 0) return stream;
  impl_->drop_state(stream);
  return nullptr;
}

bool Http2Session::can_open() const {
  if (going_away() || nghttp2_session_check_request_allowed(impl_->session) == 0) return false;
  return impl_->streams < nghttp2_session_get_remote_settings(
                              impl_->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

bool Http2Session::going_away() const {
  return impl_->failed || impl_->going_away || impl_->draining;
}
size_t Http2Session::open_streams() const { return impl_->streams; }

void Http2Session::send_interim(Http2Stream& stream, const ResponseHead& head) {
  impl_->lines.clear();
  list_response(head, impl_->lines, impl_->scratch);
  impl_->to_nv();
  nghttp2_submit_headers(impl_->session, NGHTTP2_FLAG_NONE, stream.id, nullptr, impl_->nv.data(),
                         impl_->nv.size(), nullptr);
}

void Http2Session::send_response(Http2Stream& stream, const ResponseHead& head, bool end) {
  impl_->lines.clear();
  list_response(head, impl_->lines, impl_->scratch);
  impl_->to_nv();
  const nghttp2_data_provider provider = impl_->provider(stream);
  stream.local_ended = end;
  nghttp2_submit_response(impl_->session, stream.id, impl_->nv.data(), impl_->nv.size(),
                          end ? nullptr : &provider);
}

bool Http2Session::send_data(Http2Stream& stream, Buffer&& data) {
  if (stream.out_end || stream.local_ended) return true;
  stream.out.append(std::move(data));
  impl_->resume(stream);
  if (stream.out.size() > kQueueHigh) stream.above_high = true;
  return !stream.above_high;
}

void Http2Session::finish(Http2Stream& stream, Fields&& trailers) {
  if (stream.out_end || stream.local_ended) return;
  stream.out_end = true;
  stream.trailers = std::move(trailers);
  impl_->resume(stream);
}

void Http2Session::reset(Http2Stream& stream, Http2Code code) { impl_->reset(stream.id, code); }

void Http2Session::forget(Http2Stream& stream) {
  stream.user = nullptr;
  impl_->stop_peer(stream);
}

bool Http2Session::sent(const Http2Stream& stream) { return stream.sent; }

void Http2Session::consume(Http2Stream& stream, size_t size) {
  if (size > 0) nghttp2_session_consume_stream(impl_->session, stream.id, size);
}

void Http2Session::begin_drain() {
  if (impl_->draining) return;
  impl_->draining = true;
  if (impl_->role == Role::kClient) {
    nghttp2_submit_goaway(impl_->session, NGHTTP2_FLAG_NONE, 0, NGHTTP2_NO_ERROR, nullptr, 0);
    return;
  }
  nghttp2_submit_shutdown_notice(impl_->session);
  nghttp2_submit_ping(impl_->session, NGHTTP2_FLAG_NONE, kDrainPing);
}

void Http2Session::finish_drain() {
  if (impl_->role == Role::kClient || impl_->drained) return;
  impl_->draining = impl_->drained = true;
  nghttp2_submit_goaway(impl_->session, NGHTTP2_FLAG_NONE,
                        nghttp2_session_get_last_proc_stream_id(impl_->session), NGHTTP2_NO_ERROR,
                        nullptr, 0);
}

void Http2Session::terminate(Http2Code code) {
  nghttp2_session_terminate_session(impl_->session, static_cast<uint32_t>(code));
}

}  // namespace weft::wire
