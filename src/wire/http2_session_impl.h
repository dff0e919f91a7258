// The inside of Http2Session, shared by its two .cc files; nobody else includes it.
#pragma once

#include <nghttp2/nghttp2.h>

#include <string>
#include <string_view>
#include <vector>

#include "wire/http2_mapping.h"
#include "wire/http2_session.h"
#include "wire/rate_budget.h"

namespace weft::wire {

// Tells our drain PING from any other.
inline constexpr uint8_t kDrainPing[8] = {'w', 'e', 'f', 't', 'd', 'r', 'a', 'n'};

struct Http2Stream {
  Http2Stream(int32_t stream_id, void* owner, const Http2Limits& limits)
      : id(stream_id), user(owner), section(limits.header_bytes, limits.header_lines) {}

  int32_t id;
  void* user;              // nullptr: nobody listens
  bool head_done = false;  // the request, or the final response, has been handed over
  bool rejected = false;   // answered here; whatever else comes is dropped
  bool peer_ended = false;
  bool out_end = false;
  bool deferred = false;     // the library waits for resume_data
  bool above_high = false;   // send_data() said "wait"
  bool local_ended = false;  // END_STREAM is queued or sent
  bool end_sent = false;     // END_STREAM has left
  bool sent = false;         // our first HEADERS has left
  Http2Section section;
  Buffer out;
  Fields trailers;
  Http2Stream* prev = nullptr;
  Http2Stream* next = nullptr;
};

struct Http2Session::Impl {
  Impl(Role r, const Http2Limits& l, const Clock& c, Http2Events& e)
      : role(r),
        limits(l),
        clock(c),
        events(e),
        resets(l.reset_burst, l.reset_period),
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
  int frame_begins(const nghttp2_frame_hd& header);
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
  uint32_t continuations = 0;  // of the present field block
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

}  // namespace weft::wire
