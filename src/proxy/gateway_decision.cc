// Looked up anew for each connection: what is configured at that moment counts.
#include "proxy/gateway_decision.h"

#include "base/text.h"

namespace weft::proxy {

using model::GatewayListener;

Destination gateway_destination(const Snapshot& snapshot, uint16_t port) {
  Destination out;
  out.kind = Destination::kGateway;
  out.port = port;
  if (snapshot.gateway) out.service = snapshot.gateway->name();
  return out;
}

bool NamedListener::serves() const {
  return listener && (rule || listener->protocol != GatewayListener::kTls);
}

NamedListener named_listener(const Snapshot& snapshot, uint16_t port,
                             const wire::ClientHello& hello, std::string_view own_namespace) {
  NamedListener out;
  if (!snapshot.gateway || hello.kind != wire::ClientHello::kHello) return out;
  const std::string name = to_lower(hello.server_name);
  out.listener = snapshot.gateway->find(port, name);
  if (out.listener && out.listener->protocol == GatewayListener::kTls)
    out.rule = out.listener->port().tcp_rules.named(own_namespace, name);
  return out;
}

}  // namespace weft::proxy
