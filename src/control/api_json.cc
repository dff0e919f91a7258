// Trees are built with the same Node that YAML is read into: one writer, one escape routine.
#include "control/api_json.h"

#include <fmt/format.h>

#include "base/log.h"
#include "control/object_summaries.h"
#include "control/secrets.h"

namespace weft::control {
namespace {

constexpr std::string_view kControllerName = "weft.dev/control-plane";
constexpr std::string_view kGatewayControllerName = "weft.dev/gateway";

Node number(uint64_t value) { return Node::integer(static_cast<int64_t>(value)); }

Node strings(const std::vector<std::string>& texts) {
  Node out = Node::list();
  for (const std::string& text : texts) out.items.push_back(Node::string(text));
  return out;
}

Node labels_map(const Labels& labels) {
  Node out = Node::map();
  for (const auto& [name, value] : labels) out.add(name, value);
  return out;
}

Node conditions_list(const std::vector<Condition>& conditions) {
  Node out = Node::list();
  for (const Condition& condition : conditions) {
    Node one = Node::map();
    one.add("type", condition.type);
    one.add("status", condition.ok ? "True" : "False");
    one.add("reason", condition.reason);
    one.add("message", condition.message);
    one.add("observedGeneration", Node::integer(condition.generation));
    if (condition.since.unix_ns != 0) one.add("lastTransitionTime", json_time(condition.since));
    out.items.push_back(std::move(one));
  }
  return out;
}

// Gateway API v1, HTTPRouteStatus.
Node parents_list(const std::vector<ParentState>& parents) {
  Node out = Node::list();
  for (const ParentState& parent : parents) {
    Node one = Node::map();
    Node& ref = one.add("parentRef", Node::map());
    ref.add("group", parent.ref.group);
    ref.add("kind", parent.ref.kind);
    ref.add("namespace", parent.ref.service.ns);
    ref.add("name", parent.ref.service.name);
    if (parent.ref.port != 0) ref.add("port", number(parent.ref.port));
    if (!parent.ref.section.empty()) ref.add("sectionName", parent.ref.section);
    one.add("controllerName", parent.ref.is_gateway() || parent.ref.is_listener_set()
                                  ? kGatewayControllerName
                                  : kControllerName);
    one.add("conditions", conditions_list(parent.conditions));
    out.items.push_back(std::move(one));
  }
  return out;
}

// Gateway API v1, PolicyStatus.
Node ancestors_list(const std::vector<AncestorState>& ancestors, const std::string& ns) {
  Node out = Node::list();
  for (const AncestorState& ancestor : ancestors) {
    Node one = Node::map();
    Node& ref = one.add("ancestorRef", Node::map());
    ref.add("group", ancestor.ref.group);
    ref.add("kind", ancestor.ref.kind);
    ref.add("namespace", ns);
    ref.add("name", ancestor.ref.name);
    if (!ancestor.ref.section.empty()) ref.add("sectionName", ancestor.ref.section);
    one.add("controllerName", kControllerName);
    one.add("conditions", conditions_list(ancestor.conditions));
    out.items.push_back(std::move(one));
  }
  return out;
}

Node served_map(const Served& served) {
  Node out = Node::map();
  out.add("current", number(served.current));
  out.add("users", number(served.users));
  if (!served.problem.empty()) out.add("problem", served.problem);
  if (served.withheld) out.add("withheld", Node::boolean(true));
  return out;
}

Node service_map(const ServiceRow& row) {
  Node out = Node::map();
  out.add("name", row.name.name);
  out.add("namespace", row.name.ns);
  out.add("headless", Node::boolean(row.headless));
  out.add("fromClaims", Node::boolean(row.implicit));
  Node& addresses = out.add("addresses", Node::list());
  for (const std::string& address : {row.vip4, row.vip6}) {
    if (!address.empty()) addresses.items.push_back(Node::string(address));
  }
  Node& ports = out.add("ports", Node::list());
  for (const ServiceRow::Port& port : row.ports) {
    Node one = Node::map();
    one.add("port", number(port.port));
    if (!port.name.empty()) one.add("name", port.name);
    one.add("protocol", port.protocol);
    one.add("rules", number(port.rules));
    ports.items.push_back(std::move(one));
  }
  out.add("ready", number(row.ready));
  out.add("instances", number(row.instances));
  out.add("served", served_map(row.served));
  out.add("policies", strings(row.policies));
  out.add("conditions", conditions_list(row.conditions));
  return out;
}

Node route_map(const RouteRow& row) {
  Node out = Node::map();
  out.add("kind", row.key.kind);
  out.add("name", row.key.name);
  out.add("namespace", row.key.ns);
  out.add("parents", strings(row.parents));
  out.add("rules", strings(row.rules));
  out.add("served", served_map(row.served));
  out.add("policies", strings(row.policies));
  out.add("conditions", conditions_list(row.conditions));
  out.add("status", Node::map()).add("parents", parents_list(row.parent_states));
  return out;
}

Node object_map(const ObjectSummary& row) {
  Node out = Node::map();
  out.add("kind", row.key.kind);
  out.add("name", row.key.name);
  out.add("namespace", row.key.ns);
  out.add("of", strings(row.of));
  out.add("served", served_map(row.served));
  out.add("state", row.state);
  if (!row.why.empty()) out.add("why", row.why);
  if (row.expires.unix_ns != 0) out.add("expires", json_time(row.expires));
  return out;
}

Node instance_map(const InstanceStatus& row) {
  Node out = Node::map();
  out.add("name", row.id);
  out.add("namespace", row.ns);
  out.add("identity", row.identity);
  out.add("machine", row.machine);
  out.add("address", row.address);
  out.add("sidecarVersion", row.sidecar_version);
  out.add("meshAddresses", strings({row.mesh4, row.mesh6}));
  out.add("labels", labels_map(row.labels));
  out.add("services", strings(row.services));
  out.add("state", row.state);
  out.add("why", row.why);
  out.add("registered", json_time(row.registered));
  out.add("certificateExpires", json_time(row.svid_expires));
  out.add("silentSeconds", Node::integer(row.silent_for.to_seconds()));
  out.add("staleTcpConnections", number(row.stale_tcp_connections));
  out.add("notes", strings(row.notes));
  return out;
}

Node edge_map(const EdgeStatus& row) {
  Node out = Node::map();
  out.add("source", row.source);
  out.add("destination", row.destination);
  out.add("service", row.service);
  out.add("port", number(row.port));
  out.add("protocol", row.protocol);
  out.add("mtls", Node::boolean(row.mtls));
  out.add("requestsPerSecond", Node::real(row.requests_per_second));
  out.add("successRatio", Node::real(row.success_ratio));
  out.add("p50Ms", Node::real(static_cast<double>(row.p50.ns) / 1e6));
  out.add("p99Ms", Node::real(static_cast<double>(row.p99.ns) / 1e6));
  out.add("requests", number(row.requests));
  out.add("errors", number(row.errors));
  out.add("retries", number(row.retries));
  out.add("connections", number(row.connections));
  return out;
}

Node certificate_map(const CertificateStatus& row) {
  Node out = Node::map();
  out.add("what", row.what);
  out.add("notBefore", json_time(row.not_before));
  out.add("notAfter", json_time(row.not_after));
  if (!row.note.empty()) out.add("note", row.note);
  return out;
}

void add_gateway_addresses(Node& status, const std::vector<IpAddress>& of) {
  Node& addresses = status.add("addresses", Node::list());
  for (const IpAddress& ip : of) {
    Node one = Node::map();
    one.add("type", "IPAddress");
    one.add("value", ip.to_string());
    addresses.items.push_back(std::move(one));
  }
}

// Gateway API v1, GatewayStatus and ListenerSetStatus.
void add_gateway_state(Node& status, const Object& object, GatewayState state,
                       ConditionTimes& times) {
  if (std::holds_alternative<GatewaySpec>(object.spec)) {
    add_gateway_addresses(status, state.addresses);
    status.add("attachedListenerSets", number(state.attached_sets));
  }
  Node& listeners = status.add("listeners", Node::list());
  for (GatewayState::Listener& listener : state.listeners) {
    times.stamp(object.key().to_string() + " " + listener.name, listener.conditions);
    Node one = Node::map();
    one.add("name", listener.name);
    Node& kinds = one.add("supportedKinds", Node::list());
    for (const std::string& kind : listener.kinds) {
      Node each = Node::map();
      each.add("group", "gateway.networking.k8s.io");
      each.add("kind", kind);
      kinds.items.push_back(std::move(each));
    }
    one.add("attachedRoutes", number(listener.attached_routes));
    one.add("conditions", conditions_list(listener.conditions));
    listeners.items.push_back(std::move(one));
  }
}

// What a policy's status tells of each of its targets, and until when it is in force.
void add_policy_state(Node& status, const Object& policy, std::vector<AncestorState> ancestors,
                      ConditionTimes& times) {
  for (AncestorState& ancestor : ancestors) {
    times.stamp(fmt::format("{} {} {}:{}", policy.key().to_string(), ancestor.ref.kind,
                            ancestor.ref.name, ancestor.ref.section),
                ancestor.conditions);
  }
  status.add("ancestors", ancestors_list(ancestors, policy.meta.ns));
  if (const auto* fault = std::get_if<FaultPolicySpec>(&policy.spec)) {
    status.add("expires", json_time(fault->ends(policy.meta.created)));
  }
}

void add_service_state(Node& status, const model::ServiceName& name, const Compiler& compiler) {
  const auto compiled = compiler.compile(name);
  if (!compiled) return;
  Node& addresses = status.add("addresses", Node::list());
  for (const IpAddress& ip : {compiled->service.vip4, compiled->service.vip6}) {
    if (!compiled->service.headless) addresses.items.push_back(Node::string(ip.to_string()));
  }
  Node& endpoints = status.add("endpoints", Node::list());
  for (const model::Endpoint& endpoint : compiled->endpoints.endpoints) {
    Node one = Node::map();
    one.add("workload", endpoint.workload);
    one.add("ready", Node::boolean(endpoint.ready));
    endpoints.items.push_back(std::move(one));
  }
}

template <typename Rows, typename ToNode>
Node list_of(const Rows& rows, ToNode to_node) {
  Node out = Node::list();
  for (const auto& row : rows) out.items.push_back(to_node(row));
  return out;
}

}  // namespace

std::string json_time(WallTime time) {
  if (time.unix_ns == 0) return "";
  const std::string text = to_rfc3339(time);  // 2026-03-01T10:00:00.123Z
  return text.substr(0, text.find('.')) + "Z";
}

Node json_object(const Object& object, const Compiler& compiler, const ServedFn& served,
                 ConditionTimes& times) {
  Problems none;
  auto parsed = read_yaml("object", object.body, none);
  Node out = parsed.empty() ? Node::map() : std::move(parsed.front());
  for (Node::Entry& entry : out.entries) {
    if (entry.name != "metadata") continue;
    entry.value.add("uid", object.meta.uid);
    entry.value.add("generation", Node::integer(object.meta.generation));
    entry.value.add("creationTimestamp", json_time(object.meta.created));
  }
  Node status = Node::map();
  const Served by = served_of(compiler, object, served);
  const bool service = std::holds_alternative<ServiceSpec>(object.spec);
  std::vector<ParentState> parents = parent_states(compiler, object, served);
  const bool gateway = std::holds_alternative<GatewaySpec>(object.spec) ||
                       std::holds_alternative<ListenerSetSpec>(object.spec);
  if (std::holds_alternative<SecretSpec>(object.spec)) hide_secrets(out);
  if (service) add_service_state(status, object.service_name(), compiler);
  if (gateway) add_gateway_state(status, object, compiler.gateway_state(object), times);
  std::vector<AncestorState> ancestors = ancestor_states(compiler, object, served);
  if (!ancestors.empty()) {
    add_policy_state(status, object, std::move(ancestors), times);
  } else if (parents.empty()) {
    std::vector<Condition> conditions = full_conditions(compiler, object, served);
    if (service || gateway) conditions.push_back(served_condition(object, by));
    times.stamp(object.key().to_string(), conditions);
    status.add("conditions", conditions_list(conditions));
  } else {
    for (ParentState& parent : parents) {
      times.stamp(fmt::format("{} {} {}:{}{}", object.key().to_string(), parent.ref.kind,
                              parent.ref.service.to_string(), parent.ref.port, parent.ref.section),
                  parent.conditions);
    }
    status.add("parents", parents_list(parents));
  }
  const std::vector<std::string> policies = compiler.policies_on(object.key());
  if (!policies.empty()) status.add("policies", strings(policies));
  status.add("served", served_map(by));
  out.add("status", std::move(status));
  return out;
}

Node json_implicit_service(const model::ServiceName& name, const Compiler& compiler,
                           const ServedFn& served) {
  Node out = Node::map();
  out.add("apiVersion", "v1");
  out.add("kind", "Service");
  Node& metadata = out.add("metadata", Node::map());
  metadata.add("name", name.name);
  metadata.add("namespace", name.ns);
  Node& ports = out.add("spec", Node::map()).add("ports", Node::list());
  Node status = Node::map();
  if (const auto compiled = compiler.compile(name)) {
    for (const model::ServicePort& port : compiled->service.ports) {
      Node one = Node::map();
      one.add("name", "p" + std::to_string(port.port));  // several ports need names
      one.add("port", number(port.port));
      if (port.protocol != model::Protocol::kAuto)
        one.add("appProtocol", model::to_string(port.protocol));
      ports.items.push_back(std::move(one));
    }
  }
  status.add("fromClaims", Node::boolean(true));
  add_service_state(status, name, compiler);
  const std::vector<std::string> policies = compiler.policies_on({"Service", name.ns, name.name});
  if (!policies.empty()) status.add("policies", strings(policies));
  status.add("served", served_map(served_of(name, served)));
  out.add("status", std::move(status));
  return out;
}

Node json_outcome(const ApplyOutcome& outcome) {
  Node out = Node::map();
  if (!outcome.errors.empty()) {
    out.add("errors", strings(outcome.errors));
    return out;
  }
  out.add("objects", list_of(outcome.rows, [](const ApplyOutcome::Row& row) {
            Node one = Node::map();
            one.add("kind", row.key.kind);
            one.add("namespace", row.key.ns);
            one.add("name", row.key.name);
            one.add("action", row.action);
            return one;
          }));
  out.add("warnings", strings(outcome.warnings));
  out.add("version", number(outcome.version));
  return out;
}

Node json_status(const StatusView& view, const Compiler& compiler, uint64_t version,
                 const ServedFn& served) {
  Node out = Node::map();
  Node& server = out.add("server", Node::map());
  server.add("version", view.version);
  server.add("trustDomain", view.trust_domain);
  server.add("now", json_time(view.now));
  server.add("started", json_time(view.started));
  server.add("discovery", view.discovery);
  server.add("statusPage", view.status_page);
  server.add("proxies", number(view.proxies));
  server.add("configurationVersion", number(version));
  const std::vector<ObjectSummary> objects = object_summaries(compiler, served, view.now);
  Node& warnings = out.add("warnings", strings(view.warnings));
  for (std::string& fault : faults_in_force(objects)) {
    warnings.items.push_back(Node::string(std::move(fault)));
  }
  out.add("services", list_of(service_rows(compiler, served), service_map));
  out.add("routes", list_of(route_rows(compiler, served), route_map));
  out.add("objects", list_of(objects, object_map));
  out.add("instances", list_of(view.instances, instance_map));
  out.add("edges", list_of(view.edges, edge_map));
  out.add("certificates", list_of(view.certificates, certificate_map));
  return out;
}

Node json_workloads(const StatusView& view) {
  Node out = Node::map();
  out.add("items", list_of(view.instances, instance_map));
  return out;
}

Node json_tokens(const std::vector<TokenRow>& tokens, WallTime now) {
  Node out = Node::map();
  out.add("items", list_of(tokens, [&](const TokenRow& row) {
            Node one = Node::map();
            one.add("id", row.id);
            one.add("namespace", row.ns);
            one.add("service", row.service);
            one.add("created", json_time(row.created));
            one.add("expires", json_time(row.expires));
            const char* state = row.expires <= now ? "expired" : "unused";
            one.add("state", row.used_by.empty() ? state : "used");
            one.add("usedBy", row.used_by);
            return one;
          }));
  return out;
}

Node json_new_token(const NewToken& token) {
  Node out = Node::map();
  out.add("id", token.id);
  out.add("token", token.token);
  out.add("expires", json_time(token.expires));
  out.add("joinLine", token.join_line);
  return out;
}

Node json_error(std::string_view text) {
  Node out = Node::map();
  out.add("error", text);
  return out;
}

}  // namespace weft::control
