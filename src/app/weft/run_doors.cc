// As many as fit into the bootstrap packet; more than that the sidecar makes itself.
#include "app/weft/run_doors.h"

#include "io/socket_network.h"

namespace weft::app {
namespace {

constexpr size_t kMost = 48;

}  // namespace

RunDoors open_doors(const RunOptions& options) {
  RunDoors doors;
  size_t open = 0;
  const auto listen = [&open](SocketAddress at) {
    if (open == kMost) return Fd();
    auto listener = io::listening_socket(at);
    if (!listener) return Fd();
    ++open;
    return std::move(*listener);
  };
  for (const RunPublish& publish : options.publishes)
    doors.publishes.push_back(listen({publish.address, publish.port}));
  for (const RunUpstream& upstream : options.upstreams)
    doors.upstreams.push_back(listen({IpAddress::v4(0x7f000001), upstream.local_port}));
  return doors;
}

}  // namespace weft::app
