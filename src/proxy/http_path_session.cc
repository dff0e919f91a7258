// Session persistence on the request path: stickiness.h decides, here it is carried out, and the client is told.
#include "proxy/http_request.h"
#include "proxy/stickiness.h"

namespace weft::proxy {

SessionQuery HttpPath::session_query(const Request& request) const {
  return {.snapshot = *worker_.snapshot,
          .fields = request.down->request().fields,
          .secret = session_secret(worker_.self),
          .now = worker_.loop.now(),
          .wall = worker_.loop.wall_now()};
}

// What the client's token says, and with it the backend, if it is still one of the rule's.
void HttpPath::find_session(Request& request) {
  const SessionChoice choice = session_of(request.rule->rule(), session_query(request));
  request.sessions = choice.sessions;
  request.session = choice.token;
  request.backend = choice.backend;
}

// The same for sessions that the Service has where the rule has none.
void HttpPath::find_service_session(Request& request) {
  find_group(request);
  const EndpointGroup* group = request.group.get();
  if (!group || !group->policy || !group->policy->session_persistence) return;
  const model::RouteRule* rule = request.rule ? &request.rule->rule() : nullptr;
  const uint16_t port = request.backend ? request.backend->port : request.destination.port;
  const SessionChoice choice = session_of(rule, *group, port, session_query(request));
  request.sessions = choice.sessions;
  request.session = choice.token;
  if (!choice.backend) return;
  request.backend = choice.backend;
  request.group = request.snapshot->group(choice.backend->service);
}

// The first try goes to the session's instance.
const LiveEndpoint* HttpPath::pick_by_session(const Request& request, uint16_t port) const {
  if (!request.session || !request.tried.empty()) return nullptr;
  const Instant now = worker_.loop.now();
  const LiveEndpoint* live = instance_of(*request.session, request.group.get(), port, now);
  return live && live->health->claim(now) ? live : nullptr;
}

// Tells the client its session, if it has to know more than it does.
void HttpPath::keep_session(const Request& request, wire::ResponseHead& head) const {
  const model::SessionPersistence& rules = *request.sessions;
  const WallTime now = worker_.loop.wall_now();
  const bool of_rule = request.rule && request.rule->rule().persistence;
  const uint16_t port = request.backend ? request.backend->port : request.destination.port;
  const std::string& secret = session_secret(worker_.self);
  const uint64_t backend = of_rule
                               ? steer::backend_tag(secret, request.rule->rule(), *request.backend)
                               : steer::service_tag(secret, request.group->service, port);
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
