// The few rtnetlink(7) requests an instance's network needs. They act on the calling thread's network
// namespace and need CAP_NET_ADMIN there.
#pragma once

#include "base/fd.h"
#include "base/ip.h"
#include "base/result.h"

namespace weft::capture {

class RouteNetlink {
 public:
  static Result<RouteNetlink> open();

  Result<void> loopback_up();
  // An address of its own (/32, /128) on loopback, usable at once.
  Result<void> add_loopback_address(const IpAddress& address);
  // Makes every address of the family local, with `source` as the address the app's sockets get: the
  // default route, in the local table so that bind() accepts any address too.
  Result<void> make_everything_local(const IpAddress& source);

 private:
  explicit RouteNetlink(Fd socket) : socket_(std::move(socket)) {}
  // Sends one request and waits for the kernel's acknowledgement.
  Result<void> request(std::string message, std::string_view what);

  Fd socket_;
  uint32_t sequence_ = 0;
};

}  // namespace weft::capture
