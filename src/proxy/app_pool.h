// AppPool: HTTP connections to this instance's own app. Kept apart by caller, because the app sees the
// caller's address as its peer. HTTP/1.1 connections are used again for a short time only: an app may
// close an idle one at any moment, and a request that is not idempotent must not meet that moment.
// Lives on the worker loop and outlives its callers.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "http/client.h"
#include "proxy/app_dialer.h"

namespace weft::proxy {

struct AppConnection {
  std::unique_ptr<http::ClientConnection> client;
  Instant last_used;
};
using AppConnectionPtr = std::shared_ptr<AppConnection>;

class AppPool {
 public:
  static constexpr Duration kIdle = Duration::seconds(1);
  // How long ago a connection may have been used to carry a request that cannot be repeated.
  static constexpr Duration kSurelyOpen = Duration::millis(100);

  struct Key {
    uint16_t port = 0;
    CallerAddress caller;
    http::ClientProtocol protocol = http::ClientProtocol::kHttp1;
    friend auto operator<=>(const Key&, const Key&) = default;
  };

  AppPool(Worker& worker, AppDialer& dialer);

  // A connection that can open an exchange now: open it before anything else is awaited.
  // `repeatable`: the request may be sent again should the connection turn out closed.
  io::Task<Result<AppConnectionPtr>> acquire(Key key, bool repeatable);
  // A connection for this exchange alone.
  io::Task<Result<AppConnectionPtr>> connect(Key key);

 private:
  void sweep();

  Worker& worker_;
  AppDialer& dialer_;
  std::map<Key, std::vector<AppConnectionPtr>> connections_;
  io::Timer sweep_timer_;  // armed while there are connections
};

}  // namespace weft::proxy
