// What the two ends of an HTTP/1.x connection have in common: a stream, a parser over what has arrived,
// and one exchange at a time whose bodies flow through both. Internal to http.
//
// Bodies are pulled: input waits in `in_` (at most 64 KiB or one head, then the socket is left alone) until
// the exchange asks, so a slow consumer holds the peer back. Output goes to the stream at once and
// send_body() waits while the stream is above its high mark.
//
// Lifetime: an exchange that is still there when the link goes away is detached and answers with errors.
#pragma once

#include <memory>
#include <optional>

#include "base/result.h"
#include "http/exchange.h"
#include "io/event.h"
#include "io/loop.h"
#include "io/stream.h"
#include "wire/http1_parser.h"
#include "wire/http1_writer.h"

namespace weft::http {

class Http1Exchange;

class Http1Link : public io::StreamHandler {
 public:
  Http1Link(io::Loop& loop, io::StreamPtr stream, wire::Http1Parser::Role role,
            const wire::Http1Limits& limits, ConnectionInfo info);
  ~Http1Link() override;

  // The next piece of the present message's body; nothing: more input is needed.
  Result<std::optional<BodyPiece>> pull();
  // False: stop and wait for Http1Exchange::on_writable().
  bool write(Buffer&& bytes) {
    touched_ = loop_.now();
    return stream_->write(std::move(bytes));
  }
  bool write(std::string_view bytes) {
    touched_ = loop_.now();
    return stream_->write(bytes);
  }
  void shutdown_write() { stream_->shutdown_write(); }
  // After 101 or 2xx to CONNECT: what follows are raw bytes.
  void become_tunnel() { parser_.become_tunnel(); }
  // Why the connection cannot be used any more; null while it can.
  const Error* lost() const { return lost_ ? &*lost_ : nullptr; }
  // Shared, because exchanges outlive connections and a copy costs allocations.
  const std::shared_ptr<const ConnectionInfo>& shared_info() const { return info_; }
  io::Loop& loop() const { return loop_; }

  // The exchange is destroyed; the connection decides what becomes of itself.
  virtual void exchange_over(Http1Exchange& exchange) = 0;
  // Cuts the message being sent. `abrupt`: so that a body without an end mark is not taken for whole.
  virtual void cut(bool abrupt) = 0;

 protected:
  void on_readable() override;
  void on_writable() override;
  // in_ has grown, or the end or an error has come.
  virtual void input_arrived() = 0;
  void fill();
  void attach(Http1Exchange& exchange) { exchange_ = &exchange; }
  void detach() { exchange_ = nullptr; }

  io::Loop& loop_;
  io::StreamPtr stream_;  // null once closed
  wire::Http1Parser parser_;
  std::shared_ptr<const ConnectionInfo> info_;
  Buffer in_;
  Http1Exchange* exchange_ = nullptr;
  const size_t input_high_;
  Instant touched_;      // when something last came or went
  bool paused_ = false;  // input was left in the socket
  bool eof_ = false;
  std::optional<Error> lost_;
};

// The body half of an exchange, in both directions.
class Http1Exchange {
 public:
  explicit Http1Exchange(Http1Link& link);
  Http1Exchange(const Http1Exchange&) = delete;
  Http1Exchange& operator=(const Http1Exchange&) = delete;

  // From the link.
  void on_input() { readable_.pulse(); }
  void on_writable();
  virtual void on_lost();

  bool input_ended() const { return in_end_; }
  bool output_ended() const { return out_end_; }
  // Clients: the final response head has been read.
  bool answered() const { return answered_; }
  wire::Http1Framing framing() const { return framing_; }
  bool output_begun() const { return output_begun_; }
  bool tunnel() const { return tunnel_; }
  // Since when more of the peer's body is waited for; nothing: it is not.
  std::optional<Instant> waiting_since() const { return waiting_since_; }

 protected:
  virtual ~Http1Exchange();

  io::Task<Result<BodyPiece>> do_read_body();
  io::Task<Result<void>> do_send_body(Buffer data);
  void do_finish(const wire::Fields& trailers);
  void do_reset();
  // Queues a head; `end` finishes the message.
  void begin_output(Buffer&& head, wire::Http1Framing framing, uint64_t size, bool end);
  void start_tunnel();
  Error lost_error() const;
  // The link calls this when it goes away.
  friend class Http1Link;
  void detach_link() {
    link_ = nullptr;
    on_lost();
  }

  Http1Link* link_;
  io::Event readable_;
  io::Event writable_;
  wire::Http1Framing framing_ = wire::Http1Framing::kNone;
  uint64_t left_ = 0;  // of a sized body
  bool output_begun_ = false;
  bool out_end_ = false;
  bool in_end_ = false;
  bool answered_ = false;
  bool tunnel_ = false;
  bool blocked_ = false;  // the stream said "wait"
  std::optional<Instant> waiting_since_;
};

}  // namespace weft::http
