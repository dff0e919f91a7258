// The callbacks of libnghttp2 and what they make of frames: heads under limits, body bytes to the owner,
// budgets for what a peer makes us do.
#include "wire/http2_session_impl.h"

#include <algorithm>

namespace weft::wire {

namespace {

std::string_view text(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace

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
  if (!control.spend(clock.now()))
    nghttp2_session_terminate_session(session, NGHTTP2_ENHANCE_YOUR_CALM);
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

// For what the library does not bound or report: PRIORITY frames it ignores, and how many CONTINUATION
// frames one field block has.
int Http2Session::Impl::frame_begins(const nghttp2_frame_hd& header) {
  switch (header.type) {
    case NGHTTP2_HEADERS: continuations = 0; return 0;
    case NGHTTP2_CONTINUATION:
      if (++continuations <= limits.continuations) return 0;
      nghttp2_session_terminate_session(session, NGHTTP2_ENHANCE_YOUR_CALM);
      return NGHTTP2_ERR_CALLBACK_FAILURE;
    case NGHTTP2_PRIORITY:
      count_control();
      if (header.stream_id == 0) nghttp2_session_terminate_session(session, NGHTTP2_PROTOCOL_ERROR);
      return 0;
    default: return 0;
  }
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
      } else if (draining && !drained &&
                 std::equal(kDrainPing, kDrainPing + 8, frame->ping.opaque_data)) {
        drained = true;
        nghttp2_submit_goaway(session, NGHTTP2_FLAG_NONE,
                              nghttp2_session_get_last_proc_stream_id(session), NGHTTP2_NO_ERROR,
                              nullptr, 0);
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
        return self(user).send_body(*static_cast<Http2Stream*>(source->ptr), header,
                                    frame->data.padlen, length);
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
      cb,
      [](nghttp2_session*, const nghttp2_frame* frame, const uint8_t*, size_t, const uint8_t*,
         size_t, uint8_t, void* user) -> int {
        Impl& impl = self(user);
        if (Http2Stream* stream = impl.state(frame->hd.stream_id)) {
          stream->rejected = true;
        }
        impl.reset(frame->hd.stream_id, Http2Code::kProtocolError);
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
      });
  nghttp2_session_callbacks_set_on_begin_frame_callback(
      cb, [](nghttp2_session*, const nghttp2_frame_hd* header, void* user) {
        return self(user).frame_begins(*header);
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
        if (frame->hd.type == NGHTTP2_RST_STREAM &&
            frame->rst_stream.error_code != NGHTTP2_NO_ERROR &&
            frame->rst_stream.error_code != NGHTTP2_CANCEL &&
            frame->rst_stream.error_code != NGHTTP2_REFUSED_STREAM) {
          self(user).count_reset();
        }
        return 0;
      });
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
      cb, [](nghttp2_session* session, uint8_t, int32_t id, const uint8_t* data, size_t size,
             void* user) {
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

}  // namespace weft::wire
