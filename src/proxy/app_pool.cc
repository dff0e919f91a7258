// A connect over the instance's loopback costs some 50 microseconds, so nothing is lost by letting idle
// connections go after a second: apps commonly close theirs after two to five.
#include "proxy/app_pool.h"

namespace weft::proxy {

AppPool::AppPool(Worker& worker, AppDialer& dialer)
    : worker_(worker), dialer_(dialer), sweep_timer_(worker.loop, [this] { sweep(); }) {}

io::Task<Result<AppConnectionPtr>> AppPool::acquire(Key key, bool repeatable) {
  Instant now = worker_.loop.now();
  for (const AppConnectionPtr& candidate : connections_[key]) {
    if (!candidate->client->can_open()) continue;
    Duration idle = now - candidate->last_used;
    bool sure = key.protocol == http::ClientProtocol::kHttp2 || idle <= kSurelyOpen;
    if (!sure && (!repeatable || idle > kIdle)) continue;
    candidate->last_used = now;
    co_return candidate;
  }
  auto made = co_await connect(key);
  if (made) {
    connections_[key].push_back(*made);
    if (!sweep_timer_.armed()) sweep_timer_.arm(kIdle);
  }
  co_return made;
}

io::Task<Result<AppConnectionPtr>> AppPool::connect(Key key) {
  auto stream = co_await dialer_.connect(key.port, key.caller);
  if (!stream) co_return std::unexpected(std::move(stream.error()));
  auto connection = std::make_shared<AppConnection>();
  connection->last_used = worker_.loop.now();
  http::ConnectionInfo info;
  info.peer = (*stream)->peer();
  info.local = (*stream)->local();
  connection->client = http::connect_http(worker_.loop, std::move(*stream), key.protocol,
                                          std::move(info), {}, [] {});
  co_return connection;
}

void AppPool::sweep() {
  Instant now = worker_.loop.now();
  for (auto& [key, connections] : connections_) {
    std::erase_if(connections, [&](const AppConnectionPtr& connection) {
      if (connection->client->open_exchanges() > 0) {
        connection->last_used = now;
        return false;
      }
      return connection->client->finished() || now - connection->last_used > kIdle;
    });
  }
  std::erase_if(connections_, [](const auto& entry) { return entry.second.empty(); });
  if (!connections_.empty()) sweep_timer_.arm(kIdle);
}

}  // namespace weft::proxy
