// The dialling end of an HTTP/1.x connection; made by connect_http(). Internal to http.
#pragma once

#include <functional>

#include "http/client.h"
#include "http/http1_link.h"

namespace weft::http {

class Http1ClientStream;

class Http1Client final : public ClientConnection, public Http1Link {
 public:
  Http1Client(io::Loop& loop, io::StreamPtr stream, ConnectionInfo info, const ClientLimits& limits,
              std::function<void()> changed);
  ~Http1Client() override;

  bool can_open() const override { return stream_ && !exchange_ && !draining_ && !lost_ && !eof_; }
  bool finished() const override { return !stream_ || lost_ || eof_ || draining_ || last_; }
  size_t open_exchanges() const override { return exchange_ ? 1 : 0; }
  bool reused() const override { return carried_ > 0; }
  io::Task<bool> takes_extended_connect() override { co_return false; }
  Result<ClientStreamPtr> open(const wire::RequestHead& head, bool end) override;
  void drain() override;
  const ConnectionInfo& info() const override { return *info_; }

  void exchange_over(Http1Exchange& exchange) override;
  void cut(bool abrupt) override;
  // The next response head; nothing: more input is needed. Errors say whether a retry is safe.
  Result<std::optional<wire::ResponseHead>> pull_head();
  bool body_ended() const { return parser_.finishing(); }
  void skip_end() { parser_.next({}); }
  // This exchange is the connection's last.
  void close_after_exchange() { last_ = true; }

 private:
  struct TellChanged final : io::Runnable {
    explicit TellChanged(Http1Client& client) : client(client) {}
    void run() override {
      if (client.changed_) client.changed_();
    }
    Http1Client& client;
  };

  void input_arrived() override;
  Error no_answer(Error error) const;
  void close(bool flush);

  std::function<void()> changed_;
  bool draining_ = false;
  bool last_ = false;
  bool answer_begun_ = false;  // a byte of the present response has come
  uint64_t carried_ = 0;
  TellChanged tell_changed_{*this};
};

class Http1ClientStream final : public ClientStream, public Http1Exchange {
 public:
  Http1ClientStream(Http1Client& client, const wire::RequestHead& head, bool end);
  ~Http1ClientStream() override = default;

  io::Task<Result<wire::ResponseHead>> read_head() override;
  io::Task<Result<BodyPiece>> read_body() override { return do_read_body(); }
  io::Task<Result<void>> send_body(Buffer data) override { return do_send_body(std::move(data)); }
  void finish(wire::Fields trailers) override { do_finish(trailers); }
  void reset() override { do_reset(); }
  const ConnectionInfo& connection() const override { return *info_; }

 private:
  Http1Client* client() const { return static_cast<Http1Client*>(link_); }

  std::shared_ptr<const ConnectionInfo> info_;
  std::string upgrade_;  // the protocols asked for; empty: none
  bool connect_;
  size_t interims_ = 0;
};

}  // namespace weft::http
