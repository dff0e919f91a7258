// The serving end of an HTTP/1.x connection; made by serve(). Internal to http.
#pragma once

#include <functional>

#include "http/http1_link.h"
#include "http/server.h"

namespace weft::http {

class Http1ServerStream;

class Http1Server final : public ServerConnection, public Http1Link {
 public:
  // `received`: what detection has already read.
  Http1Server(io::Loop& loop, io::StreamPtr stream, Buffer received, ConnectionInfo info,
              const ServerLimits& limits, Handler handler, std::function<void()> closed);
  ~Http1Server() override;

  void drain() override;
  void retire() override { retiring_ = true; }
  size_t open_exchanges() const override { return exchange_ ? 1 : 0; }

  void exchange_over(Http1Exchange& exchange) override;
  void cut(bool abrupt) override;
  // The response being written is the last of this connection.
  void close_after_response() { closing_ = true; }
  bool closing() const { return closing_ || draining_ || retiring_; }
  int parser_error_status() const { return parser_.error_status(); }

 private:
  struct Advance final : io::Runnable {
    explicit Advance(Http1Server& server) : server(server) {}
    void run() override { server.advance(); }
    Http1Server& server;
  };
  struct TellClosed final : io::Runnable {
    explicit TellClosed(Http1Server& server) : server(server) {}
    void run() override {
      const std::function<void()> closed = std::move(server.closed_);
      if (closed) closed();
    }
    Http1Server& server;
  };

  void input_arrived() override;
  void advance();
  void begin_exchange();
  void wait_for_request();
  void answer_error(int status, std::string_view why);
  void close();
  void on_timer();
  void look_at_exchange();

  ServerLimits limits_;
  Handler handler_;
  std::function<void()> closed_;
  bool closing_ = false;
  bool draining_ = false;
  bool retiring_ = false;
  bool head_begun_ = false;
  Instant waiting_since_;  // for a request, or for the rest of its head
  io::Timer timer_;
  Advance advance_{*this};
  TellClosed tell_closed_{*this};
  io::TaskScope scope_;
};

class Http1ServerStream final : public ServerStream, public Http1Exchange {
 public:
  Http1ServerStream(Http1Server& server, wire::RequestHead&& head, bool ended);
  ~Http1ServerStream() override;

  const wire::RequestHead& request() const override { return request_; }
  wire::RequestHead& request() override { return request_; }
  const ConnectionInfo& connection() const override { return *info_; }
  io::Task<Result<BodyPiece>> read_body() override { return do_read_body(); }
  bool request_ended() const override { return in_end_; }
  void send_interim(const wire::ResponseHead& head) override;
  void send_response(const wire::ResponseHead& head, bool end) override;
  io::Task<Result<void>> send_body(Buffer data) override { return do_send_body(std::move(data)); }
  void finish(wire::Fields trailers) override { do_finish(trailers); }
  void reset() override { do_reset(); }
  bool gone() const override { return !link_ || link_->lost(); }
  io::Task<void> wait_gone() override;

  void on_lost() override;

 private:
  Http1Server* server() const { return static_cast<Http1Server*>(link_); }

  wire::RequestHead request_;
  // What the framing of the answer depends on, in case the handler edits request().
  bool head_request_;
  bool connect_;
  wire::Version version_;
  std::shared_ptr<const ConnectionInfo> info_;
  io::Event gone_;
};

}  // namespace weft::http
