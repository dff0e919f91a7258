// Which rule a request falls under and what the rule does to it: refuse, redirect, rewrite, send on. Decided
// once, for all tries.
#include "proxy/field_rules.h"
#include "proxy/http_request.h"
#include "proxy/redirect.h"
#include "proxy/target.h"
#include "proxy/websocket.h"

namespace weft::proxy {
namespace {

// What a WebSocket is asked for with in HTTP/1.1: routes see no difference.
constexpr std::string_view kGet = "GET";

}  // namespace

// Which rule, and which of its backends.
bool HttpPath::route(Request& request) {
  const bool connect = is_plain_connect(request.down->request());
  auto refuse_connect = [&request] {
    request.reply = {403, "weft: no route allows CONNECT to " + request.log.service_and_port(),
                     "NR"};
    return false;
  };
  if (request.destination.kind != Destination::kService) return !connect || refuse_connect();
  SnapshotPtr snapshot = worker_.snapshot;
  const LiveService* service = snapshot->service(request.destination.service);
  const CompiledPort* port = service ? service->compiled->port(request.destination.port) : nullptr;
  if (!port) {
    worker_.want({.service = request.destination.service, .mesh_address = {}});
    request.reply = {503, "weft: " + request.log.service_and_port() + " is not known any more",
                     "NC"};
    return false;
  }
  service->last_use->touch(worker_.loop.now());
  if (!port->routed_for(worker_.self.ns)) return !connect || refuse_connect();

  wire::RequestHead& head = request.down->request();
  const std::string host = port->by_host ? host_of(head.authority) : std::string();
  request.rule = port->match({is_websocket(head) ? kGet : head.method, routed_target(head.target),
                              head.fields, worker_.self.ns, host, request.grpc});
  if (!request.rule) {
    request.reply = {
        404, "weft: no route of " + request.log.service_and_port() + " matches this request", "NR"};
    return false;
  }
  request.log.route = request.rule->rule().route + "/" + request.rule->rule().rule;
  // A tunnel shows nothing of what passes through it: only a route that names it allows it.
  if (connect && request.rule->rule().match.method != "CONNECT") return refuse_connect();
  if (request.rule->rule().redirect) return redirect(request);
  request.backend = request.rule->next_backend();
  if (!request.backend || request.backend->invalid) {
    request.reply = {500, "weft: route " + request.log.route + " has no usable backend", "NR"};
    return false;
  }
  apply_modifier(request.rule->rule().request_headers, head.fields);
  apply_modifier(request.backend->request_headers, head.fields);
  const model::UrlRewrite& rewrite = request.rule->rule().rewrite;
  if (!rewrite.hostname.empty()) head.authority = rewrite.hostname;
  if (rewrite.path.kind != model::PathRewrite::kNone) {
    head.target = rewritten_target(rewrite.path, routed_target(head.target),
                                   request.rule->rule().match.path.value);
  }
  return true;
}

// The rule answers by itself: the request goes to no backend.
bool HttpPath::redirect(Request& request) {
  const wire::RequestHead& head = request.down->request();
  const model::RouteRule& rule = request.rule->rule();
  const std::string host = host_of(head.authority);
  std::string location = location_of(*rule.redirect, {.scheme = "http",
                                                      .host = host,
                                                      .port = request.destination.port,
                                                      .target = routed_target(head.target),
                                                      .prefix = rule.match.path.value});
  request.reply =
      LocalReply{.status = rule.redirect->status,
                 .text = "weft: route " + request.log.route + " redirects to " + location,
                 .flags = ""};
  request.reply->location = std::move(location);
  return false;
}

}  // namespace weft::proxy
