// libnghttp2 behind our interface. Body bytes to send stay in one Buffer per stream and are copied once,
// straight behind their frame header into the output (NO_COPY). The connection's receive window is given
// back at once and only the stream's is held: one slow reader then cannot stall its neighbours, and the
// memory bound is streams × stream window.
#include "wire/http2_session.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/assert.h"
#include "wire/http2_mapping.h"
#include "wire/rate_budget.h"

namespace weft::wire {

namespace {

// Tells our drain PING from any other.
constexpr uint8_t kDrainPing[8] = {'w', 'e', 'f', 't', 'd', 'r', 'a', 'n'};

constexpr size_t kMaxSentHead = 512 * 1024;

std::string_view text(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace

struct Http2Stream {
  Http2Stream(int32_t stream_id, void* owner, const Http2Limits& limits)
      : id(stream_id), user(owner), section(limits.header_bytes, limits.header_lines) {}

  int32_t id;
  void* user;              // nullptr: nobody listens
  bool head_done = false;  // the request, or the final response, has been handed over
  bool rejected = false;   // answered here; whatever else comes is dropped
  bool peer_ended = false;
  bool out_end = false;
  bool deferred = false;      // the library waits for resume_data
  bool above_high = false;    // send_data() said "wait"
  bool local_ended = false;   // END_STREAM is queued or sent
  bool end_sent = false;      // END_STREAM has left
  bool sent = false;          // our first HEADERS has left
  Http2Section section;
  Buffer out;
  Fields trailers;
  Http2Stream* prev = nullptr;
  Http2Stream* next = nullptr;
};

struct Http2Session::Impl {
  Impl(Role r, const Http2Limits& l, const Clock& c, Http2Events& e)
      : role(r), limits(l), clock(c), events(e), resets(l.reset_burst, l.reset_period),
        control(l.control_burst, l.control_period) {}

  static Impl& self(void* user) { return *static_cast<Impl*>(user); }
  Http2Stream* state(int32_t id) const {
    return static_cast<Http2Stream*>(nghttp2_session_get_stream_user_data(session, id));
  }
  Http2Stream* add_state(int32_t id, void* user);
  void closed(Http2Stream* stream, uint32_t code);
  void drop_state(Http2Stream* stream);
  void to_nv();
  void reset(int32_t id, Http2Code code) {
    nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, static_cast<uint32_t>(code));
  }
  void count_reset();
  void count_control();

  int head_complete(const nghttp2_frame* frame);
  void request_complete(Http2Stream& stream, bool end);
  void response_complete(Http2Stream& stream, bool end);
  void reject(Http2Stream& stream, int status);
  int frame_received(const nghttp2_frame* frame);
  void frame_sent(const nghttp2_frame* frame);
  // Everything is said and nobody listens any more: no need for the peer to go on.
  void stop_peer(const Http2Stream& stream) {
    if (role == Role::kServer && stream.end_sent && !stream.user && !stream.peer_ended) {
      reset(stream.id, Http2Code::kNoError);
    }
  }
  static nghttp2_data_provider provider(Http2Stream& stream);
  void resume(Http2Stream& stream);
  ssize_t read_body(Http2Stream& stream, size_t length, uint32_t* flags);
  int send_body(Http2Stream& stream, const uint8_t* header, size_t padding, size_t length);
  void install_callbacks(nghttp2_session_callbacks* callbacks);

  Role role;
  Http2Limits limits;
  const Clock& clock;
  Http2Events& events;
  nghttp2_session* session = nullptr;
  RateBudget resets;
  RateBudget control;
  Http2Stream* first = nullptr;
  size_t streams = 0;
  bool draining = false;
  bool drained = false;
  bool failed = false;
  bool going_away = false;
  Buffer* sink = nullptr;
  size_t sink_limit = 0;
  // Reused for every head.
  std::vector<Http2Line> lines;
  std::vector<nghttp2_nv> nv;
  std::string scratch;
};

Http2Stream* Http2Session::Impl::add_state(int32_t id, void* user) {
  auto* stream = new Http2Stream(id, user, limits);
  stream->next = first;
  if (first) first->prev = stream;
  first = stream;
  ++streams;
  return stream;
}

void Http2Session::Impl::drop_state(Http2Stream* stream) {
  (stream->prev ? stream->prev->next : first) = stream->next;
  if (stream->next) stream->next->prev = stream->prev;
  --streams;
  delete stream;
}

void Http2Session::Impl::closed(Http2Stream* stream, uint32_t code) {
  void* owner = stream->user;
  // What never left cannot have been acted on.
  if (role == Role::kClient && !stream->sent) code = NGHTTP2_REFUSED_STREAM;
  drop_state(stream);
  if (owner) events.on_closed(owner, static_cast<Http2Code>(code));
}

void Http2Session::Impl::to_nv() {
  nv.clear();
  auto octets = [](std::string_view s) {
    return reinterpret_cast<uint8_t*>(const_cast<char*>(s.data()));  // the library only reads
  };
  for (const Http2Line& line : lines) {
    nv.push_back({octets(line.name), octets(line.value), line.name.size(), line.value.size(),
                  NGHTTP2_NV_FLAG_NONE});
  }
}

void Http2Session::Impl::count_reset() {
  if (role == Role::kServer && !resets.spend(clock.now())) {
    nghttp2_session_terminate_session(session, NGHTTP2_ENHANCE_YOUR_CALM);
  }
}

void Http2Session::Impl::count_control() {
  if (!control.spend(clock.now())) nghttp2_session_terminate_session(session, NGHTTP2_ENHANCE_YOUR_CALM);
}

// Too large a head: say so, and take nothing more of this stream.
void Http2Session::Impl::reject(Http2Stream& stream, int status) {
  stream.rejected = true;
  ResponseHead head;
  head.status = status;
  head.length = {BodyLength::kSized, 0};
  lines.clear();
  list_response(head, lines, scratch);
  to_nv();
  stream.local_ended = true;
  nghttp2_submit_response(session, stream.id, nv.data(), nv.size(), nullptr);
}

void Http2Session::Impl::request_complete(Http2Stream& stream, bool end) {
  if (stream.section.too_large()) return reject(stream, 431);
  RequestHead head;
  if (!stream.section.take_request(head, end)) {
    stream.rejected = true;
    return reset(stream.id, Http2Code::kProtocolError);
  }
  stream.section.clear();
  stream.head_done = true;
  stream.user = events.on_request(stream, std::move(head), end);
}

void Http2Session::Impl::response_complete(Http2Stream& stream, bool end) {
  ResponseHead head;
  if (stream.section.too_large() || !stream.section.take_response(head, end)) {
    stream.rejected = true;
    return reset(stream.id, Http2Code::kProtocolError);
  }
  stream.section.clear();
  stream.head_done = !head.interim();
  if (stream.user) events.on_response(stream.user, std::move(head), end);
}

int Http2Session::Impl::head_complete(const nghttp2_frame* frame) {
  Http2Stream* stream = state(frame->hd.stream_id);
  if (!stream || stream->rejected) return 0;
  const bool end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  stream->peer_ended = end;
  if (!stream->head_done) {
    role == Role::kServer ? request_complete(*stream, end) : response_complete(*stream, end);
    return 0;
  }
  if (stream->section.too_large()) {
    stream->rejected = true;
    reset(stream->id, Http2Code::kProtocolError);
    return 0;
  }
  if (stream->user) events.on_end(stream->user, stream->section.take_trailers());
  return 0;
}

int Http2Session::Impl::frame_received(const nghttp2_frame* frame) {
  switch (frame->hd.type) {
    case NGHTTP2_HEADERS: return head_complete(frame);
    case NGHTTP2_DATA: {
      const bool end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
      if (frame->hd.length == 0 && !end) count_control();
      Http2Stream* stream = state(frame->hd.stream_id);
      if (!end || !stream || stream->rejected) return 0;
      stream->peer_ended = true;
      if (stream->user) events.on_end(stream->user, {});
      return 0;
    }
    case NGHTTP2_RST_STREAM: count_reset(); return 0;
    case NGHTTP2_SETTINGS:
      if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) return 0;
      count_control();
      events.on_peer_changed();
      return 0;
    case NGHTTP2_PING:
      if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) {
        count_control();
      } else if (draining && !drained && std::equal(kDrainPing, kDrainPing + 8, frame->ping.opaque_data)) {
        drained = true;
        nghttp2_submit_goaway(session, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session),
                              NGHTTP2_NO_ERROR, nullptr, 0);
      }
      return 0;
    case NGHTTP2_GOAWAY:
      going_away = true;
      events.on_peer_changed();
      return 0;
    default: return 0;
  }
}

void Http2Session::Impl::frame_sent(const nghttp2_frame* frame) {
  Http2Stream* stream = state(frame->hd.stream_id);
  if (!stream) return;
  stream->sent = true;
  if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return;
  stream->end_sent = true;
  stop_peer(*stream);
}

nghttp2_data_provider Http2Session::Impl::provider(Http2Stream& stream) {
  nghttp2_data_provider provider{};
  provider.source.ptr = &stream;
  provider.read_callback = [](nghttp2_session*, int32_t, uint8_t*, size_t length, uint32_t* flags,
                              nghttp2_data_source* source, void* user) {
    return self(user).read_body(*static_cast<Http2Stream*>(source->ptr), length, flags);
  };
  return provider;
}

void Http2Session::Impl::resume(Http2Stream& stream) {
  if (!stream.deferred) return;
  stream.deferred = false;
  nghttp2_session_resume_data(session, stream.id);
}

// What the library asks for when it could send DATA. The octets themselves go out in send_body().
ssize_t Http2Session::Impl::read_body(Http2Stream& stream, size_t length, uint32_t* flags) {
  const size_t size = std::min(length, stream.out.size());
  if (size == 0 && !stream.out_end) {
    stream.deferred = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  if (stream.out_end && size == stream.out.size()) {
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    stream.local_ended = true;
    lines.clear();
    list_trailers(stream.trailers, lines);
    if (!lines.empty()) {
      *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      to_nv();
      nghttp2_submit_trailer(session, stream.id, nv.data(), nv.size());
    }
  }
  return static_cast<ssize_t>(size);
}

int Http2Session::Impl::send_body(Http2Stream& stream, const uint8_t* header, size_t padding,
                                  size_t length) {
  if (sink->size() >= sink_limit) return NGHTTP2_ERR_WOULDBLOCK;
  const std::string_view body = stream.out.view().substr(0, length);
  sink->prepare(9 + 1 + body.size() + padding);
  sink->append(text(header, 9));
  if (padding > 0) sink->append(static_cast<char>(padding - 1));
  sink->append(body);
  for (size_t i = 1; i < padding; ++i) sink->append('\0');
  stream.out.consume(body.size());
  if (stream.out.empty()) stream.out.release_if_empty();
  if (stream.above_high && stream.out.size() <= kQueueLow) {
    stream.above_high = false;
    if (stream.user) events.on_drained(stream.user);
  }
  return 0;
}

void Http2Session::Impl::install_callbacks(nghttp2_session_callbacks* cb) {
  nghttp2_session_callbacks_set_send_callback(
      cb, [](nghttp2_session*, const uint8_t* data, size_t size, int, void* user) -> ssize_t {
        Impl& impl = self(user);
        if (impl.sink->size() >= impl.sink_limit) return NGHTTP2_ERR_WOULDBLOCK;
        impl.sink->append(text(data, size));
        return static_cast<ssize_t>(size);
      });
  nghttp2_session_callbacks_set_send_data_callback(
      cb, [](nghttp2_session*, nghttp2_frame* frame, const uint8_t* header, size_t length,
             nghttp2_data_source* source, void* user) {
        return self(user).send_body(*static_cast<Http2Stream*>(source->ptr), header, frame->data.padlen,
                                    length);
      });
  nghttp2_session_callbacks_set_on_begin_headers_callback(
      cb, [](nghttp2_session* session, const nghttp2_frame* frame, void* user) {
        Impl& impl = self(user);
        if (frame->hd.type != NGHTTP2_HEADERS) return 0;
        if (impl.role == Role::kServer && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
          Http2Stream* stream = impl.add_state(frame->hd.stream_id, nullptr);
          nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, stream);
        } else if (Http2Stream* stream = impl.state(frame->hd.stream_id)) {
          stream->section.clear();
        }
        return 0;
      });
  nghttp2_session_callbacks_set_on_header_callback(
      cb, [](nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
             const uint8_t* value, size_t value_size, uint8_t, void* user) {
        Http2Stream* stream = self(user).state(frame->hd.stream_id);
        if (stream && !stream->rejected) {
          stream->section.add(text(name, name_size), text(value, value_size));
        }
        return 0;
      });
  // The library would drop a malformed field line silently; a message that has one is refused instead.
  nghttp2_session_callbacks_set_on_invalid_header_callback(
      cb, [](nghttp2_session*, const nghttp2_frame* frame, const uint8_t*, size_t, const uint8_t*, size_t,
             uint8_t, void* user) -> int {
        Impl& impl = self(user);
        if (Http2Stream* stream = impl.state(frame->hd.stream_id)) {
          stream->rejected = true;
        }
        impl.reset(frame->hd.stream_id, Http2Code::kProtocolError);
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
      });
  // PRIORITY frames are ignored by the library and reported nowhere else.
  nghttp2_session_callbacks_set_on_begin_frame_callback(
      cb, [](nghttp2_session*, const nghttp2_frame_hd* header, void* user) {
        if (header->type == NGHTTP2_PRIORITY) self(user).count_control();
        return 0;
      });
  nghttp2_session_callbacks_set_on_frame_recv_callback(
      cb, [](nghttp2_session*, const nghttp2_frame* frame, void* user) {
        return self(user).frame_received(frame);
      });
  nghttp2_session_callbacks_set_on_frame_send_callback(
      cb, [](nghttp2_session*, const nghttp2_frame* frame, void* user) {
        if (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) {
          self(user).frame_sent(frame);
        }
        // A peer can also make us do the resetting (CVE-2025-8671): the same budget.
        if (frame->hd.type == NGHTTP2_RST_STREAM && frame->rst_stream.error_code != NGHTTP2_NO_ERROR &&
            frame->rst_stream.error_code != NGHTTP2_CANCEL &&
            frame->rst_stream.error_code != NGHTTP2_REFUSED_STREAM) {
          self(user).count_reset();
        }
        return 0;
      });
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
      cb, [](nghttp2_session* session, uint8_t, int32_t id, const uint8_t* data, size_t size, void* user) {
        Impl& impl = self(user);
        nghttp2_session_consume_connection(session, size);
        Http2Stream* stream = impl.state(id);
        if (stream && stream->user && !stream->rejected) {
          impl.events.on_data(stream->user, text(data, size));
        } else {
          nghttp2_session_consume_stream(session, id, size);
        }
        return 0;
      });
  nghttp2_session_callbacks_set_on_stream_close_callback(
      cb, [](nghttp2_session* session, int32_t id, uint32_t code, void* user) {
        Impl& impl = self(user);
        if (Http2Stream* stream = impl.state(id)) {
          nghttp2_session_set_stream_user_data(session, id, nullptr);
          impl.closed(stream, code);
        }
        return 0;
      });
}

Http2Session::Http2Session(Role role, const Http2Limits& limits, const Clock& clock, Http2Events& events)
    : impl_(std::make_unique<Impl>(role, limits, clock, events)) {
  nghttp2_option* option = nullptr;
  nghttp2_session_callbacks* callbacks = nullptr;
  WEFT_ASSERT(nghttp2_option_new(&option) == 0 && nghttp2_session_callbacks_new(&callbacks) == 0);
  nghttp2_option_set_no_auto_window_update(option, 1);
  nghttp2_option_set_no_closed_streams(option, 1);
  nghttp2_option_set_max_continuations(option, limits.continuations);
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
  return impl_->streams < nghttp2_session_get_remote_settings(impl_->session,
                                                              NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

bool Http2Session::going_away() const { return impl_->failed || impl_->going_away || impl_->draining; }
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
                        nghttp2_session_get_last_proc_stream_id(impl_->session), NGHTTP2_NO_ERROR, nullptr,
                        0);
}

void Http2Session::terminate(Http2Code code) {
  nghttp2_session_terminate_session(impl_->session, static_cast<uint32_t>(code));
}

}  // namespace weft::wire
