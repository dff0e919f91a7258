// Which rule a request falls under and what the rule does to it: refuse, redirect, rewrite, send on. Decided
// once, for all tries; route_decision.h decides, here it is carried out.
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
  request.rule = std::move(choice.rule);
  if (request.rule) request.log.route = name_of(request.rule->rule());
  if (choice.service) draw_fault(request, *choice.service);
  if (choice.refused) {
    request.reply = std::move(choice.refused);
    return false;
  }
  if (!request.rule) return true;
  const model::RouteRule& rule = request.rule->rule();
  if (rule.redirect) {
    request.reply = redirect_by(rule, request.destination, head);
    return false;
  }
  if (rule.persistence) find_session(request);
  if (!request.backend) request.backend = request.rule->next_backend();
  if (!request.backend || request.backend->invalid) {
    request.reply = no_backend(rule);
    return false;
  }
  apply_rule(rule, *request.backend, head);
  return true;
}

}  // namespace weft::proxy
