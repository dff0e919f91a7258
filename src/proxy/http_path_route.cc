// Which rule a request falls under and what the rule does to it: refuse, redirect, rewrite, send on. Decided
// once, for all tries; route_decision.h decides, here it is carried out.
#include "proxy/cors.h"
#include "proxy/http_request.h"
#include "proxy/route_decision.h"

namespace weft::proxy {

// Which rule, and which of its backends.
bool HttpPath::route(Request& request) {
  wire::RequestHead& head = request.down->request();
  const SnapshotPtr snapshot = worker_.snapshot;
  RuleChoice choice =
      choose_rule(*snapshot, request.destination, head, request.grpc, worker_.self.ns);
  if (choice.port && choice.service) {
    choice.service->last_use->touch(worker_.loop.now());
  } else if (request.destination.kind == Destination::kService) {
    worker_.want({.service = request.destination.service, .mesh_address = {}});
  }
  request.forgotten = request.destination.kind == Destination::kService && !choice.service;
  request.rule = std::move(choice.rule);
  if (request.rule) request.log.route = name_of(request.rule->rule());
  draw_fault(request, choice.service);
  if (choice.refused) {
    request.reply = std::move(choice.refused);
    return false;
  }
  if (!request.rule) {
    find_service_session(request);
    return true;
  }
  const model::RouteRule& rule = request.rule->rule();
  if (rule.cors) {
    if (is_preflight(head)) {
      request.reply = LocalReply{.status = 204,
                                 .text = "weft: a preflight, answered by the route",
                                 .flags = "",
                                 .fields = preflight_answer(*rule.cors, head)};
      return false;
    }
    request.cors = &*rule.cors;
    request.origin = head.fields.get("origin").value_or("");
  }
  if (rule.redirect) {
    request.reply = redirect_by(rule, request.destination, head);
    return false;
  }
  if (rule.persistence) find_session(request);
  if (!request.backend) request.backend = request.rule->next_backend(worker_.random);
  if (!request.backend || request.backend->invalid) {
    request.reply = no_backend(rule);
    return false;
  }
  if (!rule.persistence) find_service_session(request);
  const model::Backend& backend = *request.backend;
  const std::string target = backend.rewrite.empty() ? std::string() : head.target;
  apply_rule(rule, head);
  if (!request.tunnel) {
    draw_copies(rule.mirrors, request.log.route, head, worker_.random, request.copies);
  }
  apply_backend(rule, backend, target, head);
  request.to_http2 = is_http1(head.version) && !request.tunnel &&
                     takes_http2_only(*snapshot, backend.service, backend.port);
  if (!request.tunnel) {
    draw_copies(backend.mirrors, request.log.route, head, worker_.random, request.copies);
  }
  return true;
}

// An app may keep a connection longer than a service is held without use (Discovery::kIdle). False: the service
// does not exist any more, or nobody tells about it.
io::Task<bool> HttpPath::known_again(const Destination& destination) {
  const Instant deadline = worker_.loop.now() + kDiscoveryWait;
  while (!worker_.snapshot->service(destination.service)) {
    if (!worker_.snapshot->names->by_name.contains(destination.service)) co_return false;
    const Duration left = deadline - worker_.loop.now();
    if (left.ns <= 0 || !co_await worker_.snapshot_changed.wait_for(left)) co_return false;
  }
  co_return true;
}

// Copies leave at once, or when all of the content is known.
void HttpPath::mirror(Request& request) {
  if (request.copies.empty()) return;
  if (!request.forwarder.request_has_body()) return mirrors_.send(request.copies, {}, {});
  request.forwarder.on_whole_body([this, &request](const Buffer& body, const wire::Fields& end) {
    mirrors_.send(request.copies, body, end);
  });
}

}  // namespace weft::proxy
