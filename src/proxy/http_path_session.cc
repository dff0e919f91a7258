// Session persistence: which backend and instance the client's token asks for, and what it is told instead when
// it cannot have them. A session decides before weights do, even for a backend whose weight is 0 by now
// (GEP-1619, "Traffic Splitting"); it never decides against health: an instance that is not ready or left
// out is passed over, and the answer names its successor. Looking for the instance of a tag costs a hash
// for each endpoint of the rule; nothing where the rule has no sessions.
#include "proxy/http_request.h"
#include "wire/cookie.h"

namespace weft::proxy {

// What the client's token says, and with it the backend, if it is still one of the rule's.
void HttpPath::find_session(Request& request) {
  const model::RouteRule& rule = request.rule->rule();
  const model::SessionPersistence& rules = *rule.persistence;
  const wire::Fields& fields = request.down->request().fields;
  const auto text = rules.header ? fields.get(rules.name) : wire::cookie_value(fields, rules.name);
  if (!text) return;
  const auto token = steer::SessionToken::decode(*text);
  if (!token || !steer::session_holds(*token, rules, worker_.loop.wall_now())) return;
  for (const model::Backend& backend : rule.backends) {
    if (backend.invalid || steer::backend_tag(session_secret(), rule, backend) != token->backend)
      continue;
    request.session = token;
    // A backend without weight keeps its sessions, and gets no others.
    const auto group = worker_.snapshot->group(backend.service);
    if (backend.weight > 0 || session_endpoint(request, group.get(), backend.port))
      request.backend = &backend;
    return;
  }
}

// Only mesh members know the prefix of the mesh's own addresses, which never changes.
const std::string& HttpPath::session_secret() const { return worker_.self.mesh6_range; }

// The instance of the token, if it can serve.
const LiveEndpoint* HttpPath::session_endpoint(const Request& request, const EndpointGroup* group,
                                               uint16_t port) const {
  if (!group) return nullptr;
  for (const LiveEndpoint& live : group->endpoints) {
    if (steer::instance_tag(request.session->backend, live.endpoint.workload) !=
        request.session->instance)
      continue;
    const bool usable = live.endpoint.ready && live.endpoint.target_ports.contains(port) &&
                        live.health->in(worker_.loop.now());
    return usable ? &live : nullptr;
  }
  return nullptr;
}

// The first try goes to the session's instance.
const LiveEndpoint* HttpPath::pick_by_session(const Request& request) const {
  if (!request.session || !request.tried.empty()) return nullptr;
  const LiveEndpoint* live = session_endpoint(request, request.group.get(), request.backend->port);
  return live && live->health->claim(worker_.loop.now()) ? live : nullptr;
}

// Tells the client its session, if it has to know more than it does.
void HttpPath::keep_session(const Request& request, wire::ResponseHead& head) const {
  const model::RouteRule& rule = request.rule->rule();
  const model::SessionPersistence& rules = *rule.persistence;
  const WallTime now = worker_.loop.wall_now();
  const uint64_t backend = steer::backend_tag(session_secret(), rule, *request.backend);
  steer::SessionToken token{
      backend, steer::instance_tag(backend, request.endpoint->endpoint.workload), now, now};
  if (request.session && request.session->instance == token.instance) {
    if (rules.idle_timeout.ns <= 0) return;
    token.created = request.session->created;
  }
  if (rules.header) {
    head.fields.add(rules.name, token.encode());
  } else {
    head.fields.add("set-cookie",
                    steer::session_cookie(token, rules, now, request.down->connection().tls));
  }
}

}  // namespace weft::proxy
