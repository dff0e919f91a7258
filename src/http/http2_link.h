// What the two ends of an HTTP/2 connection have in common: a stream, a session, and exchanges that
// carry bodies through it. Internal to http.
//
// Frames are produced once per turn, at its end, and only while the stream's write queue is below its
// high mark: what does not go out stays in the exchanges' queues, where send_body() waits.
// A peer may vanish without the network noticing: a process that is stopped still acknowledges. So a peer that
// leaves an open exchange in silence is asked by PING; while it owes the answer for longer than kPingDoubt the
// connection takes no new exchanges, after kPingPatience it is left. Whatever it takes from us in the meantime is
// a sign of life, too: a PING may stand behind much else on a slow path.
//
// Lifetime: exchanges that are still there when the link goes away are detached and answer with errors.
#pragma once

#include <memory>
#include <optional>

#include "http/exchange.h"
#include "io/event.h"
#include "io/loop.h"
#include "io/stream.h"
#include "wire/http2_session.h"

namespace weft::http {

class Http2Exchange;

class Http2Link : public io::StreamHandler, public wire::Http2Events {
 public:
  static constexpr Duration kPingPatience = Duration::seconds(10);
  static constexpr Duration kPingDoubt = Duration::seconds(1);

  Http2Link(io::Loop& loop, io::StreamPtr stream, wire::Http2Session::Role role,
            const wire::Http2Limits& limits, ConnectionInfo info, Duration ping_after);
  ~Http2Link() override;

  wire::Http2Session& session() { return session_; }
  // Shared, because exchanges outlive connections and a copy costs allocations.
  const std::shared_ptr<const ConnectionInfo>& shared_info() const { return info_; }
  io::Loop& loop() const { return loop_; }
  // Something was queued in the session: it goes out at the end of the burst, together with what other
  // requests have to say until then.
  void schedule_flush() { loop_.at_end_of_burst(flush_); }
  // Much was queued: it goes out at the end of the turn.
  void flush_soon() {
    flush_.unlink();
    loop_.at_end_of_turn(flush_);
  }
  const Error* lost() const { return lost_ ? &*lost_ : nullptr; }

  void link(Http2Exchange& exchange);
  // Ends the exchanges that stand still for too long, ServerLimits.
  void expire(Duration body_timeout, Duration stream_timeout);
  // An exchange is destroyed.
  void unlink(Http2Exchange& exchange);
  virtual void exchange_unlinked() = 0;

 protected:
  void on_readable() override;
  void on_writable() override;
  void on_data(void* user, std::string_view data) override;
  void on_end(void* user, wire::Fields&& trailers) override;
  void on_drained(void* user) override;
  void on_closed(void* user, wire::Http2Code code) override;

  // The peer owes us a sign of life.
  bool doubtful() const { return asked_ && loop_.now() - *asked_ >= kPingDoubt; }

  // Bytes received before the link existed.
  void receive(std::string_view bytes);
  // Called after a batch of input has been taken in; may destroy the link.
  virtual void input_done() = 0;
  // The connection has ended; called once.
  virtual void ended() = 0;
  void close(Error why);

  io::Loop& loop_;
  io::StreamPtr stream_;  // null once closed
  std::shared_ptr<const ConnectionInfo> info_;
  wire::Http2Session session_;
  size_t exchanges_ = 0;

 private:
  struct Flush final : io::Runnable {
    explicit Flush(Http2Link& link) : link(link) {}
    void run() override { link.flush(); }
    Http2Link& link;
  };
  void flush();
  void heard();
  void on_ping_timer();

  std::optional<Error> lost_;
  Http2Exchange* first_ = nullptr;
  bool output_waits_ = false;  // the stream said "wait"
  bool input_paused_ = false;
  size_t last_output_ = 0;  // how much the last flush wrote: a good guess for the next
  Flush flush_{*this};
  const Duration ping_after_;
  Instant heard_;                 // when the peer last gave a sign of life
  std::optional<Instant> asked_;  // when it was asked for one that has not come
  io::Timer ping_timer_;          // armed while there are exchanges
};

// The body half of an exchange, in both directions.
class Http2Exchange {
 public:
  Http2Exchange(Http2Link& link, wire::Http2Stream* stream);
  Http2Exchange(const Http2Exchange&) = delete;
  Http2Exchange& operator=(const Http2Exchange&) = delete;

  // From the link.
  void on_data(std::string_view data);
  virtual void on_end(wire::Fields&& trailers);
  void on_drained();
  virtual void on_closed(wire::Http2Code code);
  virtual void on_lost(const Error& why);
  bool overdue(Instant now, Duration body_timeout, Duration stream_timeout) const;
  void end_overdue();

 protected:
  virtual ~Http2Exchange();

  io::Task<Result<BodyPiece>> do_read_body();
  io::Task<Result<void>> do_send_body(Buffer data);
  void do_finish(wire::Fields&& trailers);
  void do_reset(wire::Http2Code code);
  // Why the exchange ended early: whose fault, and whether another attempt is safe.
  virtual Error closed_error(wire::Http2Code code) const = 0;
  void fail_with(Error error);

  Http2Link* link_;
  wire::Http2Stream* stream_;  // null once the stream is closed
  io::Event readable_;
  io::Event writable_;
  Buffer in_;
  wire::Fields in_trailers_;
  std::optional<Error> error_;
  bool in_end_ = false;  // everything has arrived
  bool out_begun_ = false;
  bool out_end_ = false;
  bool blocked_ = false;
  bool sized_input_ = false;  // its length is known: a pause in it is no silence of a stream
  bool tunnel_ = false;       // its parties' own affair: never overdue

 private:
  friend class Http2Link;
  Instant touched_;  // when something last came or went
  std::optional<Instant> waiting_since_;
  Http2Exchange* prev_ = nullptr;
  Http2Exchange* next_ = nullptr;
};

}  // namespace weft::http
