// How much of one proxy may be under way to one instance, counted over all its workers: connections, and
// requests that wait for one. Asked only where a request finds no connection with room.
// Any thread.
#pragma once

#include <atomic>
#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/ip.h"
#include "io/tally.h"
#include "model/outside.h"

namespace weft::proxy {

struct UpstreamTarget {
  std::string instance;
  SocketAddress address;
  std::string identity;
  uint16_t app_port = 0;
  // What is spoken: kMesh with a sidecar, the others with a server outside the mesh. kEither: the server
  // chooses by ALPN.
  enum Form : uint8_t { kMesh, kHttp1, kHttp2, kEither, kOpaque } form = kMesh;
  model::OutsideTlsPtr tls = nullptr;  // towards a server outside; null: in plain
  friend auto operator<=>(const UpstreamTarget&, const UpstreamTarget&) = default;
};

class UpstreamBounds {
 public:
  // To one target. With two hundred streams each that is room for 51 200 requests at once.
  static constexpr uint32_t kMostConnections = 256;
  // Requests that wait for a connection to one target; more are refused.
  static constexpr uint32_t kMostWaiting = 10'000;

  // What counts for one target. Each worker may always have one connection, so that none waits for what
  // another has; `further` are those beyond.
  struct Counts {
    std::atomic<uint32_t> waiting{0}, further{0};
  };

  explicit UpstreamBounds(size_t workers) : workers_(static_cast<uint32_t>(workers)) {}

  // The counts of a target, the same for every worker; to be kept while anything is counted there.
  std::shared_ptr<Counts> of(const UpstreamTarget& target);

  // A request begins to wait; nothing when too many do.
  static std::optional<io::Tally> wait(Counts& counts);
  // A worker that has a connection wants another; nothing when the proxy has as many as it may.
  std::optional<io::Tally> connect_further(Counts& counts) const;

 private:
  const uint32_t workers_;
  std::mutex mutex_;
  std::map<UpstreamTarget, std::weak_ptr<Counts>> all_;
};

}  // namespace weft::proxy
