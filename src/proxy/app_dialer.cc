// Loopback refuses at once, so trying four addresses costs microseconds; the remembered one makes the
// usual case a single connect.
#include "proxy/app_dialer.h"

#include <algorithm>
#include <array>

namespace weft::proxy {

std::vector<IpAddress> AppDialer::candidates(uint16_t port) const {
  const Self& self = worker_.self;
  std::array<uint8_t, 16> loopback6{};
  loopback6[15] = 1;
  std::vector<IpAddress> all{IpAddress::v4(0x7f000001)};
  if (!self.explicit_mode && !self.mesh4.is_unspecified()) all.push_back(self.mesh4);
  all.push_back(IpAddress::v6(loopback6));
  if (!self.explicit_mode && !self.mesh6.is_unspecified()) all.push_back(self.mesh6);
  auto known = remembered_.find(port);
  if (known != remembered_.end()) {
    auto at = std::find(all.begin(), all.end(), known->second);
    if (at == all.end()) at = all.insert(at, known->second);
    std::rotate(all.begin(), at, at + 1);
  }
  return all;
}

io::Task<Result<io::StreamPtr>> AppDialer::connect_any(std::vector<IpAddress> addresses,
                                                       uint16_t port, CallerAddress caller) {
  Error last(ErrorKind::kRefused, "no address to try");
  for (const IpAddress& address : addresses) {
    const IpAddress& wanted = address.is_v4() ? caller.v4 : caller.v6;
    std::optional<IpAddress> source;
    if (!wanted.is_unspecified() && !worker_.self.explicit_mode) source = wanted;
    auto stream = co_await worker_.app.connect({address, port}, source, kTimeout);
    if (stream) {
      remembered_[port] = address;
      co_return std::move(*stream);
    }
    last = std::move(stream.error());
  }
  co_return std::unexpected(std::move(last));
}

io::Task<Result<io::StreamPtr>> AppDialer::connect(uint16_t port, CallerAddress caller) {
  const std::vector<IpAddress> usual = candidates(port);
  auto stream = co_await connect_any(usual, port, caller);
  if (stream) co_return std::move(*stream);
  // An app may be bound to an address of the host it was written for.
  std::vector<IpAddress> others = worker_.app.listening(port);
  std::erase_if(others, [&](const IpAddress& address) {
    return std::find(usual.begin(), usual.end(), address) != usual.end();
  });
  if (!others.empty()) stream = co_await connect_any(std::move(others), port, caller);
  if (stream) co_return std::move(*stream);
  remembered_.erase(port);
  if (refused_) refused_(port);
  co_return std::unexpected(
      std::move(stream.error()).with_source(ErrorSource::kUpstream).with_retry(Retry::kYes));
}

}  // namespace weft::proxy
