// The streams of one HTTP/2 session: records, found by id. Inside of Http2Session; nobody else includes it.
//
// Records are pooled: a stream costs no allocation once the connection has carried as many at a time. The
// table is open-addressed by the id's hash: ids themselves are consecutive and would stand in one run, through
// which every removal would have to go. A record lives from add() to remove(), never moving.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "base/buffer.h"
#include "wire/http2_session.h"
#include "wire/message.h"

namespace weft::wire {

struct Http2Stream {
  static constexpr uint64_t kAnyLength = std::numeric_limits<uint64_t>::max();

  uint32_t id = 0;
  void* user = nullptr;      // nullptr: nobody listens
  bool head_done = false;    // the request, or the final response, has been handed over
  bool peer_ended = false;   // the peer's END_STREAM has come
  bool out_end = false;      // the queue is complete
  bool local_ended = false;  // our END_STREAM is written
  bool end_sent = false;     // and has left
  bool reset = false;        // our RST_STREAM is written: only the end is awaited
  bool above_high = false;   // send_data() said "wait"
  bool queued = false;       // in the list of those that have something to send
  bool to_head = false;      // client: the request is a HEAD
  bool to_connect = false;   // client: the request is a CONNECT
  Http2Code reset_code = Http2Code::kNoError;
  int64_t send_window = 0;
  int64_t receive_window = 0;
  uint32_t unreturned = 0;  // consumed octets that the peer has not been told of
  uint64_t body_expected = kAnyLength;
  uint64_t body_received = 0;
  uint64_t head_end = 0;              // where in all octets written our first HEADERS ends
  const uint64_t* flushed = nullptr;  // how many of those octets have left
  Buffer out;
  Fields trailers;
  Http2Stream* prev = nullptr;  // in the list of those that have something to send
  Http2Stream* next = nullptr;
};

class Http2Streams {
 public:
  Http2Stream* find(uint32_t id) const;
  Http2Stream& add(uint32_t id);
  void remove(Http2Stream& stream);
  size_t size() const { return size_; }

  template <typename Visit>
  void for_each(Visit&& visit) {
    for (const auto& slot : slots_) {
      if (slot) visit(*slot);
    }
  }

 private:
  size_t home(uint32_t id) const { return ((id >> 1) * 0x9e3779b1u >> 16) & (slots_.size() - 1); }
  void grow();

  std::vector<std::unique_ptr<Http2Stream>> slots_;  // a power of two, at most half full
  std::vector<std::unique_ptr<Http2Stream>> spare_;
  size_t size_ = 0;
};

// Streams that have something to send, in turn. Records link themselves.
class Http2SendQueue {
 public:
  Http2Stream* first() const { return first_; }
  void push(Http2Stream& stream);
  void remove(Http2Stream& stream);

 private:
  Http2Stream* first_ = nullptr;
  Http2Stream* last_ = nullptr;
};

}  // namespace weft::wire
