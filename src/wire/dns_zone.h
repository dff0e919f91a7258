// What the mesh answers to a DNS question: a pure function of the question and of what the sidecar
// knows now. Names, with N a service and NS its namespace:
//   N.NS.svc.mesh             virtual addresses; of a headless service, those of its ready
//   instances N.NS, N                   the same (N in the caller's own namespace) N.SEARCH,
//   N.NS.SEARCH     the same, for the host's search domains: resolvers try those first, and a
//                             wildcard record there must not lead a call for N out of the mesh
//   INSTANCE.N.NS.svc.mesh    the mesh addresses of one instance
//   _PORT._tcp.(any of the above services)   SRV
//   reverse names of mesh addresses          PTR
// Unknown names under svc.mesh do not exist once the index is complete. All else is forwarded;
// while the index is incomplete, a name of one or two labels could be a service nobody has told us
// of yet and is SERVFAIL, so that no caller takes "unknown" for "absent".
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ip.h"
#include "model/identity.h"
#include "model/service.h"
#include "wire/dns.h"

namespace weft::wire {

// What the sidecar knows. The functions are called during dns_answer only.
struct DnsZoneView {
  std::string default_namespace;
  std::vector<std::string> search;  // the host's search domains, lower case, no final dot
  bool index_complete = false;

  std::function<std::optional<model::NameEntry>(const model::ServiceName&)> find;
  // Null: subscribed or not, not here yet.
  std::function<std::shared_ptr<const model::EndpointSet>(const model::ServiceName&)> endpoints;
  std::function<std::shared_ptr<const model::Service>(const model::ServiceName&)> service;
  // Is this an address of the mesh (virtual or an instance's)?
  std::function<bool(const IpAddress&)> is_mesh_address;
  // Its name, "cart.default.svc.mesh" or "cart-7f3a9c.cart.default.svc.mesh".
  std::function<std::optional<std::string>(const IpAddress&)> reverse;
};

struct DnsOutcome {
  enum Kind : uint8_t {
    kAnswer,   // send `reply`
    kForward,  // send the query to the host's resolvers as it came
    // Details of `needs` are not here yet: subscribe, ask again when they are; `reply` is the
    // SERVFAIL for when that takes too long.
    kWait,
  } kind = kForward;
  DnsMessage reply;
  model::ServiceName needs;
  // The service the question was about, if it is known: its details will be wanted next.
  std::optional<model::ServiceName> service;
};

// `query`: as parse_dns_query gives it.
DnsOutcome dns_answer(const DnsMessage& query, const DnsZoneView& view);

}  // namespace weft::wire
