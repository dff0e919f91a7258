// The serving end of an HTTP/2 connection; made by serve(). Internal to http.
#pragma once

#include <functional>
#include <vector>

#include "http/http2_link.h"
#include "http/server.h"

namespace weft::http {

class Http2Server final : public ServerConnection, public Http2Link {
 public:
  Http2Server(io::Loop& loop, io::StreamPtr stream, Buffer received, ConnectionInfo info,
              const ServerLimits& limits, Handler handler, std::function<void()> closed);
  ~Http2Server() override;

  void drain() override;
  size_t open_exchanges() const override { return exchanges_; }
  void exchange_unlinked() override;

 private:
  struct Begin final : io::Runnable {
    explicit Begin(Http2Server& server) : server(server) {}
    void run() override { server.begin(); }
    Http2Server& server;
  };
  struct TellClosed final : io::Runnable {
    explicit TellClosed(Http2Server& server) : server(server) {}
    void run() override {
      const std::function<void()> closed = std::move(server.closed_);
      if (closed) closed();
    }
    Http2Server& server;
  };

  void* on_request(wire::Http2Stream& stream, wire::RequestHead&& head, bool end) override;
  void on_response(void*, wire::ResponseHead&&, bool) override {}
  void on_peer_changed() override {}
  void on_readable() override;
  void input_done() override;
  void ended() override;
  void begin();
  void receive_first_bytes();
  void start_waiting();
  void on_timer();

  ServerLimits limits_;
  Handler handler_;
  std::function<void()> closed_;
  Buffer received_;  // by detection, until the first turn
  std::vector<ServerStreamPtr> waiting_;
  bool draining_ = false;
  Instant quiet_since_;
  io::Timer timer_;
  Begin begin_{*this};
  TellClosed tell_closed_{*this};
  io::TaskScope scope_;
};

class Http2ServerStream final : public ServerStream, public Http2Exchange {
 public:
  Http2ServerStream(Http2Server& server, wire::Http2Stream& stream, wire::RequestHead&& head,
                    bool end);
  ~Http2ServerStream() override;

  const wire::RequestHead& request() const override { return request_; }
  wire::RequestHead& request() override { return request_; }
  const ConnectionInfo& connection() const override { return *info_; }
  io::Task<Result<BodyPiece>> read_body() override { return do_read_body(); }
  bool request_ended() const override { return in_end_ && in_.empty(); }
  void send_interim(const wire::ResponseHead& head) override;
  void send_response(const wire::ResponseHead& head, bool end) override;
  io::Task<Result<void>> send_body(Buffer data) override { return do_send_body(std::move(data)); }
  void finish(wire::Fields trailers) override { do_finish(std::move(trailers)); }
  void reset() override;
  bool gone() const override { return !stream_ && !(out_end_ && in_end_); }
  io::Task<void> wait_gone() override;

  void on_closed(wire::Http2Code code) override;
  void on_lost(const Error& why) override;

 private:
  Error closed_error(wire::Http2Code code) const override;

  wire::RequestHead request_;
  std::shared_ptr<const ConnectionInfo> info_;
  io::Event gone_;
};

}  // namespace weft::http
