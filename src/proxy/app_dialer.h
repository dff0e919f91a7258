// AppDialer: finds the address an app really listens on. An app may bind 127.0.0.1, its mesh address,
// every address, IPv6 only, or an address of the host; the dialler tries the usual ones in turn, then
// asks where the app listens, remembers what answered, and binds the caller's mesh address as source so
// that the app sees who calls.
// Lives on the worker loop.
#pragma once

#include <functional>
#include <map>
#include <vector>

#include "proxy/worker.h"

namespace weft::proxy {

// The addresses the app is to see as its peer; unspecified: the instance's own default.
struct CallerAddress {
  IpAddress v4, v6;
  friend auto operator<=>(const CallerAddress&, const CallerAddress&) = default;
};

class AppDialer {
 public:
  static constexpr Duration kTimeout = Duration::seconds(2);

  explicit AppDialer(Worker& worker) : worker_(worker) {}

  // Errors have retry = kYes: the app has seen nothing.
  io::Task<Result<io::StreamPtr>> connect(uint16_t port, CallerAddress caller);
  // Called when no address of a port accepts.
  void on_refused(std::function<void(uint16_t port)> refused) { refused_ = std::move(refused); }

 private:
  std::vector<IpAddress> candidates(uint16_t port) const;
  io::Task<Result<io::StreamPtr>> connect_any(std::vector<IpAddress> addresses, uint16_t port,
                                              CallerAddress caller);

  Worker& worker_;
  std::map<uint16_t, IpAddress> remembered_;
  std::function<void(uint16_t)> refused_;
};

}  // namespace weft::proxy
