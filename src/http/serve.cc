// Picks the implementation behind serve() and connect_http(). Detection waits for as many bytes as are
// needed to tell the HTTP/2 preface (RFC 9113 §3.4) from a request line, usually none beyond the first.
#include <algorithm>
#include <utility>

#include "http/client.h"
#include "http/http1_client.h"
#include "http/http1_server.h"
#include "http/http2_client.h"
#include "http/http2_server.h"
#include "http/server.h"

namespace weft::http {

namespace {

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

class Detecting final : public ServerConnection, public io::StreamHandler {
 public:
  Detecting(io::Loop& loop, io::StreamPtr stream, ConnectionInfo info, const ServerLimits& limits,
            Handler handler, std::function<void()> closed)
      : loop_(loop),
        stream_(std::move(stream)),
        info_(std::move(info)),
        limits_(limits),
        handler_(std::move(handler)),
        closed_(std::move(closed)),
        timer_(loop, [this] { close(); }) {
    stream_->set_handler(this);
    timer_.arm(limits_.idle_timeout);
  }
  ~Detecting() override {
    if (stream_) stream_->set_handler(nullptr);
  }

  void drain() override {
    if (found_) {
      found_->drain();
    } else {
      close();
    }
  }
  void retire() override {
    retiring_ = true;
    if (found_) found_->retire();
  }
  size_t open_exchanges() const override { return found_ ? found_->open_exchanges() : 0; }

  void on_readable() override {
    while (stream_) {
      const io::ReadOutcome outcome = stream_->read(in_);
      if (outcome.kind == io::ReadOutcome::kWouldBlock) return;
      if (outcome.kind != io::ReadOutcome::kData) return close();
      if (!std::exchange(begun_, true)) timer_.arm(limits_.header_timeout);
      const std::string_view seen = in_.view().substr(0, kPreface.size());
      const bool matches = kPreface.starts_with(seen);
      if (!matches) return become(ServerProtocol::kHttp1);
      if (seen.size() == kPreface.size()) return become(ServerProtocol::kHttp2);
    }
  }
  void on_writable() override {}

 private:
  struct TellClosed final : io::Runnable {
    explicit TellClosed(Detecting& detecting) : detecting(detecting) {}
    void run() override {
      const std::function<void()> closed = std::move(detecting.closed_);
      if (closed) closed();
    }
    Detecting& detecting;
  };

  void become(ServerProtocol protocol) {
    timer_.cancel();
    stream_->set_handler(nullptr);
    if (protocol == ServerProtocol::kHttp2) {
      found_ =
          std::make_unique<Http2Server>(loop_, std::move(stream_), std::move(in_), std::move(info_),
                                        limits_, std::move(handler_), std::move(closed_));
    } else {
      found_ =
          std::make_unique<Http1Server>(loop_, std::move(stream_), std::move(in_), std::move(info_),
                                        limits_, std::move(handler_), std::move(closed_));
    }
    if (retiring_) found_->retire();
  }

  void close() {
    if (!stream_) return;
    timer_.cancel();
    stream_->set_handler(nullptr);
    stream_.reset();
    loop_.ready(tell_closed_);
  }

  io::Loop& loop_;
  io::StreamPtr stream_;
  Buffer in_;
  bool begun_ = false;
  bool retiring_ = false;
  ConnectionInfo info_;
  ServerLimits limits_;
  Handler handler_;
  std::function<void()> closed_;
  io::Timer timer_;
  TellClosed tell_closed_{*this};
  std::unique_ptr<ServerConnection> found_;
};

}  // namespace

std::unique_ptr<ServerConnection> serve(io::Loop& loop, io::StreamPtr stream,
                                        ServerProtocol protocol, ConnectionInfo info,
                                        const ServerLimits& limits, Handler handler,
                                        std::function<void()> closed) {
  switch (protocol) {
    case ServerProtocol::kHttp1:
      return std::make_unique<Http1Server>(loop, std::move(stream), Buffer(), std::move(info),
                                           limits, std::move(handler), std::move(closed));
    case ServerProtocol::kHttp2:
      return std::make_unique<Http2Server>(loop, std::move(stream), Buffer(), std::move(info),
                                           limits, std::move(handler), std::move(closed));
    case ServerProtocol::kDetect: break;
  }
  return std::make_unique<Detecting>(loop, std::move(stream), std::move(info), limits,
                                     std::move(handler), std::move(closed));
}

std::unique_ptr<ClientConnection> connect_http(io::Loop& loop, io::StreamPtr stream,
                                               ClientProtocol protocol, ConnectionInfo info,
                                               const ClientLimits& limits,
                                               std::function<void()> changed) {
  if (protocol == ClientProtocol::kHttp2) {
    return std::make_unique<Http2Client>(loop, std::move(stream), std::move(info), limits,
                                         std::move(changed));
  }
  return std::make_unique<Http1Client>(loop, std::move(stream), std::move(info), limits,
                                       std::move(changed));
}

}  // namespace weft::http
