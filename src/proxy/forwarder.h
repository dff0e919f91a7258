// Forwarder: carries one request over one upstream exchange at a time and its answer back. It knows no
// routes and no policy: a caller opens exchanges, tries them in turn and decides what an outcome means.
//
// It keeps the first kReplay bytes of the request body so that a try can be repeated; it watches for
// the downstream going away and for deadlines, both of which end a try at once.
// Lives in the frame of the coroutine that serves the request; the downstream stream outlives it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "http/exchange.h"
#include "io/event.h"
#include "io/loop.h"
#include "io/task.h"

namespace weft::proxy {

// How heads and trailers change on their way; each may be null.
struct Mapping {
  void (*response)(wire::ResponseHead& head, bool end) = nullptr;
  void (*response_trailers)(wire::Fields& trailers) = nullptr;
  void (*request_trailers)(wire::Fields& trailers) = nullptr;
};

class Forwarder {
 public:
  static constexpr size_t kReplay = 64 * 1024;

  // `tunnel`: the request asks for an upgrade; its bytes follow only after a 101.
  Forwarder(io::Loop& loop, http::ServerStream& down, Mapping mapping, bool tunnel);

  // Sends the body along an exchange whose head was sent and waits for the head of the final answer, given
  // as it came; interim heads are mapped and passed on.
  // kTimeout: the deadline passed. kCancelled, source downstream: nobody waits for the answer any more.
  io::Task<Result<wire::ResponseHead>> attempt(http::ClientStreamPtr up,
                                               std::optional<Instant> deadline);
  // Waits until then; false as soon as the downstream has gone.
  io::Task<bool> pause(Instant until);
  // Gives up the exchange of the last attempt, e.g. to try another.
  void drop();
  // Sends the head and all that follows it downstream. An error means that the answer was cut, and the
  // downstream knows.
  io::Task<Result<void>> answer(wire::ResponseHead head, std::optional<Instant> deadline);

  // Called once, when all of the request's body has been read, if that is no more than kReplay.
  using WholeBody = std::move_only_function<void(const Buffer& body, const wire::Fields& trailers)>;
  void on_whole_body(WholeBody whole) { whole_body_ = std::move(whole); }

  bool request_has_body() const { return has_body_; }
  // All of the body that was sent so far can be sent again.
  bool replayable() const { return !replay_lost_; }
  bool gone() const { return gone_; }
  uint64_t request_bytes() const { return request_bytes_; }
  uint64_t response_bytes() const { return response_bytes_; }
  const wire::Fields& response_trailers() const { return response_trailers_; }

 private:
  io::Task<void> watch_downstream();
  io::Task<void> send_request();
  io::Task<void> receive_head();
  io::Task<void> receive_body();
  // True when `done` came true, false when the downstream went or the time ran out.
  template <typename Done>
  io::Task<bool> wait_until(Done done, std::optional<Instant> deadline);
  Error interrupted() const;

  io::Loop& loop_;
  http::ServerStream& down_;
  Mapping mapping_;
  bool tunnel_;
  bool has_body_;

  Buffer replay_;
  bool replay_lost_ = false;
  bool body_ended_ = false;  // the end of the request body was read
  wire::Fields request_trailers_;
  WholeBody whole_body_;
  uint64_t request_bytes_ = 0, response_bytes_ = 0;
  wire::Fields response_trailers_;

  http::ClientStreamPtr up_;
  std::optional<Result<wire::ResponseHead>> head_;
  std::optional<Result<void>> body_;
  bool request_sent_ = false;
  bool gone_ = false;
  bool timed_out_ = false;
  io::Event wake_;
  io::Timer timer_;
  io::TaskScope watch_;
  io::TaskScope tries_;  // tasks of the present attempt
};

}  // namespace weft::proxy
