// Everything about a route that does not depend on whose turn it is among its backends.
#include "proxy/route_decision.h"

#include "base/text.h"
#include "proxy/cors.h"
#include "proxy/field_rules.h"
#include "proxy/redirect.h"
#include "proxy/target.h"
#include "proxy/websocket.h"

namespace weft::proxy {
namespace {

// What a WebSocket is asked for with in HTTP/1.1: routes see no difference.
constexpr std::string_view kGet = "GET";

std::string service_and_port(const Destination& destination) {
  return destination.name() + ":" + std::to_string(destination.port);
}

// The listener a request from outside is for, by its Host: what TLS was ended for must be the same one.
void choose_listener(const Snapshot& snapshot, const Destination& destination,
                     const wire::RequestHead& head, RuleChoice& choice) {
  choice.listener = snapshot.gateway
                        ? snapshot.gateway->find(destination.port, host_of(head.authority))
                        : nullptr;
  if (!choice.listener) {
    choice.refused = {
        404, "weft: no listener of " + service_and_port(destination) + " has this host", "NR"};
  } else if (!destination.listener.empty() && choice.listener->name != destination.listener) {
    // RFC 9110 section 15.5.20: the client reached us by a connection that is for another name.
    choice.refused = {421, "weft: this connection is for another host", "NR"};
  } else {
    choice.port = &choice.listener->port();
  }
}

}  // namespace

RoutedRequest::RoutedRequest(const wire::RequestHead& head, const CompiledPort& port,
                             std::string_view caller_namespace, bool grpc)
    : host_(port.by_host ? host_of(head.authority) : std::string()),
      view_{is_websocket(head) ? kGet : std::string_view(head.method),
            routed_target(head.target),
            head.fields,
            caller_namespace,
            host_,
            grpc} {}

std::optional<LocalReply> spend_max_forwards(wire::RequestHead& head) {
  if (head.method != "OPTIONS" && head.method != "TRACE") return std::nullopt;
  const std::optional<uint64_t> forwards = parse_u64(head.fields.get("max-forwards").value_or(""));
  if (!forwards) return std::nullopt;
  if (*forwards > 0) {
    head.fields.set("max-forwards", std::to_string(*forwards - 1));
    return std::nullopt;
  }
  return LocalReply{head.method == "OPTIONS" ? 200 : 501, "weft: the request may go no further",
                    "DPE"};
}

std::string name_of(const model::RouteRule& rule) {
  return (rule.match.grpc ? "grpc:" : "") + rule.route + "/" + rule.rule;
}

RuleChoice choose_rule(const Snapshot& snapshot, const Destination& destination,
                       const wire::RequestHead& head, bool grpc,
                       std::string_view caller_namespace) {
  RuleChoice choice;
  const bool connect = is_plain_connect(head);
  // A tunnel shows nothing of what passes through it: only a route that names it allows it.
  const auto refuse_connect = [&] {
    choice.refused = {403, "weft: no route allows CONNECT to " + service_and_port(destination),
                      "NR"};
  };
  if (destination.kind == Destination::kGateway) {
    choose_listener(snapshot, destination, head, choice);
    if (!choice.port) return choice;
  } else if (destination.kind != Destination::kService) {
    if (connect) refuse_connect();
    return choice;
  } else {
    choice.service = snapshot.service(destination.service);
    choice.port = choice.service ? choice.service->compiled->port(destination.port) : nullptr;
  }
  if (!choice.port) {
    choice.refused = {503, "weft: " + service_and_port(destination) + " is not known any more",
                      "NC"};
    return choice;
  }
  if (destination.kind == Destination::kService && !choice.port->routed_for(caller_namespace)) {
    if (connect) refuse_connect();
    return choice;
  }
  const RoutedRequest routed(head, *choice.port, caller_namespace, grpc);
  choice.rule = choice.port->match(routed.view());
  if (is_preflight(head) && !(choice.rule && choice.rule->rule().cors)) {
    // A rule for GET alone is to answer what a browser asks before its GET.
    RequestView announced = routed.view();
    announced.method = announced_method(head);
    auto rule = choice.port->match(announced);
    if (rule && rule->rule().cors) choice.rule = std::move(rule);
  }
  if (!choice.rule) {
    choice.refused = {
        404, "weft: no route of " + service_and_port(destination) + " matches this request", "NR"};
  } else if (connect && choice.rule->rule().match.method != "CONNECT") {
    refuse_connect();
  }
  return choice;
}

LocalReply redirect_by(const model::RouteRule& rule, const Destination& destination,
                       const wire::RequestHead& head) {
  const std::string host = host_of(head.authority);
  std::string location = location_of(*rule.redirect, {.scheme = destination.tls ? "https" : "http",
                                                      .host = host,
                                                      .port = destination.port,
                                                      .target = routed_target(head.target),
                                                      .prefix = rule.match.path.value});
  LocalReply reply{.status = rule.redirect->status,
                   .text = "weft: route " + name_of(rule) + " redirects to " + location,
                   .flags = ""};
  reply.location = std::move(location);
  return reply;
}

LocalReply no_backend(const model::RouteRule& rule) {
  return {500, "weft: route " + name_of(rule) + " has no usable backend", "NR"};
}

bool takes_http2_only(const Snapshot& snapshot, const model::ServiceName& service, uint16_t port) {
  const LiveService* live = snapshot.service(service);
  const CompiledPort* compiled = live ? live->compiled->port(port) : nullptr;
  if (!compiled) return false;
  const model::Protocol protocol = compiled->port.protocol;
  return protocol == model::Protocol::kH2c || protocol == model::Protocol::kGrpc;
}

void apply_rule(const model::RouteRule& rule, wire::RequestHead& head) {
  apply_modifier(rule.request_headers, head.fields);
  if (!rule.rewrite.hostname.empty()) head.authority = rule.rewrite.hostname;
  if (rule.rewrite.path.kind != model::PathRewrite::kNone) {
    head.target =
        rewritten_target(rule.rewrite.path, routed_target(head.target), rule.match.path.value);
  }
}

void apply_backend(const model::RouteRule& rule, const model::Backend& backend,
                   const std::string& original_target, wire::RequestHead& head) {
  apply_modifier(backend.request_headers, head.fields);
  if (!backend.rewrite.hostname.empty()) head.authority = backend.rewrite.hostname;
  if (backend.rewrite.path.kind != model::PathRewrite::kNone) {
    head.target = rewritten_target(backend.rewrite.path, routed_target(original_target),
                                   rule.match.path.value);
  }
}

void apply_rule(const model::RouteRule& rule, const model::Backend& backend,
                wire::RequestHead& head) {
  const std::string target = head.target;
  apply_rule(rule, head);
  apply_backend(rule, backend, target, head);
}

}  // namespace weft::proxy
