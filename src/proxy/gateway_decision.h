// Which listener of a Gateway a connection is for: what GatewaySide carries out and `weft explain` tells. Pure
// functions of a snapshot; nothing is counted. Which listener a request is for is choose_rule()'s (route_decision.h).
#pragma once

#include <string>
#include <string_view>

#include "proxy/destination.h"
#include "proxy/snapshot.h"
#include "proxy/tcp_rules.h"
#include "wire/client_hello.h"

namespace weft::proxy {

// Where a connection to this port of the Gateway begins.
Destination gateway_destination(const Snapshot& snapshot, uint16_t port);

// At a port whose listeners go by server name.
struct NamedListener {
  const LiveListener* listener =
      nullptr;      // of the snapshot; null: none has the name, or no name was said
  TcpRulePtr rule;  // of a listener that passes TLS on; null there: none of its routes has the name
  // Else the client's TLS is refused.
  bool serves() const;
};
NamedListener named_listener(const Snapshot& snapshot, uint16_t port,
                             const wire::ClientHello& hello, std::string_view own_namespace);

// Why a connection to a listener that looks at nothing is reset when it has no rule.
inline constexpr std::string_view kNoRouteAttached = "no route is attached to this listener";

}  // namespace weft::proxy
