// The dialling end of an HTTP/2 connection; made by connect_http(). Internal to http.
#pragma once

#include <functional>
#include <vector>

#include "http/client.h"
#include "http/http2_link.h"

namespace weft::http {

class Http2Client final : public ClientConnection, public Http2Link {
 public:
  Http2Client(io::Loop& loop, io::StreamPtr stream, ConnectionInfo info, const ClientLimits& limits,
              std::function<void()> changed);
  ~Http2Client() override = default;

  bool can_open() const override {
    return stream_ && exchanges_ < max_streams_ && session_.can_open() && !doubtful();
  }
  bool finished() const override { return !stream_ || session_.going_away(); }
  size_t open_exchanges() const override { return exchanges_; }
  bool reused() const override { return carried_ > 0; }
  io::Task<bool> takes_extended_connect() override;
  Result<ClientStreamPtr> open(const wire::RequestHead& head, bool end) override;
  void drain() override;
  const ConnectionInfo& info() const override { return *info_; }
  void exchange_unlinked() override;

 private:
  struct TellChanged final : io::Runnable {
    explicit TellChanged(Http2Client& client) : client(client) {}
    void run() override {
      if (client.changed_) client.changed_();
    }
    Http2Client& client;
  };

  void* on_request(wire::Http2Stream&, wire::RequestHead&&, bool) override { return nullptr; }
  void on_response(void* user, wire::ResponseHead&& head, bool end) override;
  void on_peer_changed() override {
    peer_known_.pulse();
    loop_.ready(tell_changed_);
  }
  void input_done() override {}
  void ended() override { on_peer_changed(); }

  uint32_t max_streams_;
  std::function<void()> changed_;
  bool draining_ = false;
  uint64_t carried_ = 0;
  io::Event peer_known_;  // pulsed when its settings may have come
  TellChanged tell_changed_{*this};
};

class Http2ClientStream final : public ClientStream, public Http2Exchange {
 public:
  Http2ClientStream(Http2Client& client, bool end);
  ~Http2ClientStream() override;

  io::Task<Result<wire::ResponseHead>> read_head() override;
  io::Task<Result<BodyPiece>> read_body() override { return do_read_body(); }
  io::Task<Result<void>> send_body(Buffer data) override { return do_send_body(std::move(data)); }
  void finish(wire::Fields trailers) override { do_finish(std::move(trailers)); }
  void reset() override { do_reset(wire::Http2Code::kCancel); }
  const ConnectionInfo& connection() const override { return *info_; }

  void set_stream(wire::Http2Stream* stream) { stream_ = stream; }
  void on_head(wire::ResponseHead&& head, bool end);
  void on_lost(const Error& why) override;

 private:
  Error closed_error(wire::Http2Code code) const override;

  std::shared_ptr<const ConnectionInfo> info_;
  bool reused_;
  std::vector<wire::ResponseHead> heads_;  // arrived, not read yet
  bool answered_ = false;                  // the final head has arrived
  size_t interims_ = 0;
};

}  // namespace weft::http
