// A policy is found by what it targets: an index from place to policies. A service without any costs one
// question to an empty map.
#include "control/compile_policies.h"

#include "control/compile_outside.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "control/kinds_route.h"

namespace weft::control {
namespace {

bool older(const Object* a, const Object* b) {
  const auto order = [](const Object* policy) {
    return std::tie(policy->meta.created.unix_ns, policy->meta.name);
  };
  return order(a) < order(b);
}

bool opaque(const PolicyTarget& target) {
  return target.kind == "TCPRoute" || target.kind == "TLSRoute";
}

// A Service object all of whose ports are declared to speak opaque TCP.
bool opaque_service(const Compiler::State& state, const PolicyPlace& place) {
  if (place.target.kind != "Service") return false;
  const ServiceSpec* spec = state.service({place.target.ns, place.target.name});
  return spec && !spec->ports.empty() &&
         std::ranges::all_of(spec->ports, [](const ServicePortSpec& port) {
           return port.protocol == model::Protocol::kTcp;
         });
}

// All that an opaque connection has.
bool of_the_caller(const model::RequestKey& key) {
  return key.kind == model::RequestKey::kSourceIdentity ||
         key.kind == model::RequestKey::kSourceAddress;
}

BackendProblem unsupported(std::string message) { return {"UnsupportedValue", std::move(message)}; }

// What retries say that only requests have; "" for nothing.
std::string beyond_connections(const model::Retries& retries) {
  if (!(retries.conditions & model::Retries::kConnectFailure)) return "conditions";
  if (!retries.statuses.empty()) return "statuses";
  if (!retries.grpc_statuses.empty()) return "grpcStatuses";
  return retries.any_method ? "anyMethod" : "";
}

BackendProblem backend_problem(const Compiler::State& state, const BackendPolicySpec& spec,
                               const PolicyPlace& place, const PolicyTarget& target) {
  if (spec.policy->health_check && target.kind != "Service") {
    return unsupported(fmt::format(
        "healthCheck: a {} has no instances; make the Service the target", target.kind));
  }
  if (spec.policy->health_check && only_outside(state, {place.target.ns, place.target.name})) {
    return unsupported(
        fmt::format("healthCheck: {} is served outside the mesh, where no sidecar could check; "
                    "outlierDetection sees what fails",
                    target.name));
  }
  const bool tcp = opaque(target);
  if (!tcp && !opaque_service(state, place)) return {};
  const std::string where = fmt::format("{} {}", target.kind, target.name);
  if (const auto& retries = spec.policy->retries) {
    if (const std::string what = beyond_connections(retries->value); !what.empty()) {
      return unsupported(
          fmt::format("retries.{}: {} carries opaque connections, which are tried again for "
                      "ConnectFailure only",
                      what, where));
    }
  }
  if (const auto& balancing = spec.policy->load_balancing) {
    if (!std::ranges::all_of(balancing->value.hash_by, of_the_caller)) {
      return unsupported(fmt::format(
          "loadBalancing.hashBy: {} carries opaque connections, which have SourceIdentity and "
          "SourceAddress only",
          where));
    }
  }
  return {};
}

// What a fault asks of a request and a connection has not.
BackendProblem opaque_fault_problem(const FaultPolicySpec& spec, const PolicyTarget& target) {
  const char* what = !spec.fault.headers.empty()         ? "match.headers"
                     : spec.fault.abort_http_status != 0 ? "abort.httpStatus"
                     : spec.fault.abort_grpc_status >= 0 ? "abort.grpcStatus"
                                                         : nullptr;
  if (!what) return {};
  return unsupported(fmt::format(
      "{}: {} {} carries opaque connections, which have callers and can be delayed and reset", what,
      target.kind, target.name));
}

BackendProblem fault_problem(const Compiler::State& state, const Object& policy,
                             const FaultPolicySpec& spec, const PolicyPlace& place,
                             const PolicyTarget& target) {
  if (opaque(target) || opaque_service(state, place)) {
    if (BackendProblem problem = opaque_fault_problem(spec, target); !problem.reason.empty()) {
      return problem;
    }
  }
  const WallTime latest = policy.meta.created + kLongestFault;
  if (spec.fault.expires.unix_ns != 0 && spec.fault.expires > latest) {
    return unsupported(
        "expires: more than 24h after the policy was made; delete it and apply it again later, or "
        "let it end earlier");
  }
  return {};
}

BackendProblem limit_problem(const Compiler::State& state, const RateLimitPolicySpec& spec,
                             const PolicyPlace& place, const PolicyTarget& target) {
  if (opaque(target)) {
    return unsupported(fmt::format(
        "kind {}: an instance is not told which route an opaque connection took; limit the Service",
        target.kind));
  }
  if (!opaque_service(state, place)) return {};
  for (size_t i = 0; i < spec.limits.size(); ++i) {
    if (std::ranges::all_of(spec.limits[i].by, of_the_caller)) continue;
    return unsupported(
        fmt::format("limits[{}].by: Service {} carries opaque connections, which have "
                    "SourceIdentity and SourceAddress only",
                    i, target.name));
  }
  return {};
}

BackendProblem traffic_problem(const Compiler::State& state, const TrafficPolicySpec& spec,
                               const PolicyPlace& place, const PolicyTarget& target) {
  if (place.target.kind != "Service") {
    return unsupported(
        fmt::format("kind {}: an XBackendTrafficPolicy is for Services", place.target.kind));
  }
  if (!opaque_service(state, place) || (!spec.constraint && !spec.sessions)) return {};
  return unsupported(
      fmt::format("{}: Service {} carries opaque connections, which {}",
                  spec.constraint ? "retryConstraint" : "sessionPersistence", target.name,
                  spec.constraint ? "are not tried again" : "have no cookies and headers"));
}

// Why the policy could not act there whatever other policies there are.
BackendProblem own_problem(const Compiler::State& state, const Object& policy,
                           const PolicyPlace& place, const PolicyTarget& target) {
  if (!policy.unsupported.empty()) {
    return unsupported(fmt::format("{}", fmt::join(policy.unsupported, "; ")));
  }
  if (const auto* traffic = std::get_if<TrafficPolicySpec>(&policy.spec)) {
    return traffic_problem(state, *traffic, place, target);
  }
  if (const auto* backend = std::get_if<BackendPolicySpec>(&policy.spec)) {
    return backend_problem(state, *backend, place, target);
  }
  if (const auto* fault = std::get_if<FaultPolicySpec>(&policy.spec)) {
    return fault_problem(state, policy, *fault, place, target);
  }
  if (std::holds_alternative<BackendTlsSpec>(policy.spec))
    return tls_problem(state, policy, target);
  if (target.kind == "Service" && only_outside(state, {place.target.ns, place.target.name})) {
    return unsupported(
        fmt::format("{} is served outside the mesh, where no sidecar could count", target.name));
  }
  return limit_problem(state, std::get<RateLimitPolicySpec>(policy.spec), place, target);
}

bool has_rule(const Object& route, const std::string& name) {
  if (const auto* service = std::get_if<ServiceSpec>(&route.spec)) {
    return std::ranges::find(service->ports, name, &ServicePortSpec::name) != service->ports.end();
  }
  if (const auto* tcp = std::get_if<TcpRouteSpec>(&route.spec)) return tcp->rule == name;
  const auto* http = std::get_if<HttpRouteSpec>(&route.spec);
  return http && std::ranges::find(http->rules, name, &HttpRouteRule::name) != http->rules.end();
}

BackendProblem missing(const Compiler::State& state, const PolicyPlace& place) {
  const ObjectKey& key = place.target;
  const auto it = state.objects.find(key);
  if (it == state.objects.end()) {
    if (key.kind == "Service" && !state.ports({key.ns, key.name}).empty()) return {};
    return {"TargetNotFound", fmt::format("there is no {} {}/{}", key.kind, key.ns, key.name)};
  }
  if (place.section.empty() || has_rule(it->second, place.section)) return {};
  return {"TargetNotFound", fmt::format("{} {}/{} has no {} named '{}'", key.kind, key.ns, key.name,
                                        key.kind == "Service" ? "port" : "rule", place.section)};
}

const PolicyTarget& target_at(const Object& policy, const PolicyPlace& place) {
  const PolicyTargets& targets = *targets_of(policy);
  return *std::ranges::find_if(
      targets, [&](const PolicyTarget& target) { return place_of(policy, target) == place; });
}

// The sections of `narrow`, and what it does not say as `wide` has it.
model::BackendPolicyPtr merged(const model::BackendPolicyPtr& narrow,
                               const model::BackendPolicyPtr& wide) {
  if (!narrow || !wide) return narrow ? narrow : wide;
  auto out = std::make_shared<model::BackendPolicy>(*narrow);
  const auto fill = [](auto& section, const auto& otherwise) {
    if (!section) section = otherwise;
  };
  fill(out->load_balancing, wide->load_balancing);
  fill(out->slow_start, wide->slow_start);
  fill(out->locality, wide->locality);
  fill(out->circuit_breaker, wide->circuit_breaker);
  fill(out->connection_pool, wide->connection_pool);
  fill(out->outlier_detection, wide->outlier_detection);
  fill(out->health_check, wide->health_check);
  fill(out->retries, wide->retries);
  return out;
}

// What a Service's BackendPolicy says, and its XBackendTrafficPolicy.
model::BackendPolicyPtr with_traffic(const model::BackendPolicyPtr& policy, const Object& traffic,
                                     const PolicyPlace& place) {
  const auto& spec = std::get<TrafficPolicySpec>(traffic.spec);
  auto out = policy ? std::make_shared<model::BackendPolicy>(*policy)
                    : std::make_shared<model::BackendPolicy>();
  const std::string origin =
      fmt::format("{} {}/{}", traffic.kind(), traffic.meta.ns, traffic.meta.name);
  if (spec.constraint) out->retry_constraint = {*spec.constraint, origin};
  if (spec.sessions) {
    auto& sessions = out->session_persistence.emplace(*spec.sessions, origin).value;
    if (sessions.name.empty()) sessions.name = session_cookie_name(place.target.to_string());
  }
  return out;
}

model::FaultPtr compiled_fault(const Compiler::State& state, const Object& policy) {
  const auto& spec = std::get<FaultPolicySpec>(policy.spec);
  auto out = std::make_shared<model::Fault>(spec.fault);
  out->expires = spec.ends(policy.meta.created);
  for (std::string& caller : out->callers) caller = full_identity(state, caller);
  return out;
}

}  // namespace

std::string full_identity(const Compiler::State& state, const std::string& caller) {
  if (caller.starts_with("spiffe://")) return caller;
  const size_t slash = caller.find('/');
  return fmt::format("spiffe://{}/ns/{}/sa/{}", state.trust_domain, caller.substr(0, slash),
                     caller.substr(slash + 1));
}

const PolicyTargets* targets_of(const Object& object) {
  if (const auto* spec = std::get_if<BackendPolicySpec>(&object.spec)) return &spec->targets;
  if (const auto* spec = std::get_if<FaultPolicySpec>(&object.spec)) return &spec->targets;
  if (const auto* spec = std::get_if<RateLimitPolicySpec>(&object.spec)) return &spec->targets;
  if (const auto* spec = std::get_if<TrafficPolicySpec>(&object.spec)) return &spec->targets;
  if (const auto* spec = std::get_if<BackendTlsSpec>(&object.spec)) return &spec->targets;
  return nullptr;
}

PolicyPlace place_of(const Object& policy, const PolicyTarget& target) {
  // A kind of the same name in another group is another kind.
  const bool known = target.group.empty() || target.group == "gateway.networking.k8s.io";
  return {{known ? target.kind : target.kind + "." + target.group, policy.meta.ns, target.name},
          target.section};
}

PolicyPlace place_of(const model::ServiceName& service) {
  return {{"Service", service.ns, service.name}, ""};
}

const Object* policy_in_force(const Compiler::State& state, std::string_view kind,
                              const PolicyPlace& place) {
  if (state.policies_at.empty()) return nullptr;
  const auto it = state.policies_at.find(place);
  if (it == state.policies_at.end()) return nullptr;
  const Object* winner = nullptr;
  for (const ObjectKey& key : it->second) {
    if (key.kind != kind) continue;
    const Object& policy = state.objects.at(key);
    if (winner && !older(&policy, winner)) continue;
    // What was to be protected is not sent in plain because the policy cannot be carried out.
    if (std::holds_alternative<BackendTlsSpec>(policy.spec) ||
        own_problem(state, policy, place, target_at(policy, place)).reason.empty()) {
      winner = &policy;
    }
  }
  return winner;
}

BackendProblem target_problem(const Compiler::State& state, const Object& policy,
                              const PolicyTarget& target) {
  const PolicyPlace place = place_of(policy, target);
  const bool tls = std::holds_alternative<BackendTlsSpec>(policy.spec);
  BackendProblem problem = own_problem(state, policy, place, target);
  if (problem.reason.empty()) problem = missing(state, place);
  if (!problem.reason.empty()) return problem;
  const Object* winner = policy_in_force(state, policy.kind(), place);
  if (!winner || winner->key() == policy.key()) return {};
  return {"Conflicted",
          fmt::format("{} {}/{} is older and has the same target {} {}{}", winner->kind(),
                      winner->meta.ns, winner->meta.name, target.kind, target.name,
                      target.section.empty()
                          ? ""
                          : fmt::format(" {} {}", tls ? "port" : "rule", target.section))};
}

PolicyLookup::Found PolicyLookup::at(const PolicyPlace& place) const {
  Found out;
  if (const Object* policy = policy_in_force(state_, "BackendPolicy", place)) {
    out.policy = std::get<BackendPolicySpec>(policy->spec).policy;
  }
  if (const Object* traffic = policy_in_force(state_, "XBackendTrafficPolicy", place)) {
    out.policy = with_traffic(out.policy, *traffic, place);
  }
  if (const Object* policy = policy_in_force(state_, "FaultPolicy", place)) {
    out.fault = compiled_fault(state_, *policy);
  }
  return out;
}

const PolicyLookup::Found& PolicyLookup::of_service(const model::ServiceName& service) {
  const auto [it, fresh] = found_.try_emplace(place_of(service));
  if (fresh) it->second = at(it->first);
  return it->second;
}

const PolicyLookup::Found& PolicyLookup::of_rule(const char* kind, const std::string& route,
                                                 const std::string& rule) {
  const size_t slash = route.find('/');
  PolicyPlace place{{kind, route.substr(0, slash), route.substr(slash + 1)}, ""};
  const auto [whole, fresh] = found_.try_emplace(place);
  if (fresh) whole->second = at(whole->first);
  place.section = rule;
  const auto [it, first] = found_.try_emplace(std::move(place));
  if (first) {
    // A number may be the name of another rule, or of none.
    Found own;
    if (missing(state_, it->first).reason.empty()) own = at(it->first);
    it->second = {merged(own.policy, whole->second.policy),
                  own.fault ? own.fault : whole->second.fault,
                  own.fault ? whole->second.fault : nullptr};
  }
  return it->second;
}

void PolicyLookup::give(model::ServicePort& port) {
  if (state_.policies_at.empty()) return;
  for (model::RouteRule& rule : port.rules) {
    const Found& found =
        of_rule(rule.match.grpc ? "GRPCRoute" : "HTTPRoute", rule.route, rule.rule);
    rule.policy = found.policy;
    rule.fault = found.fault;
    rule.route_fault = found.route_fault;
  }
  for (model::TcpRule& rule : port.tcp_rules) {
    const char* kind = rule.hostnames.empty() ? "TCPRoute" : "TLSRoute";
    const Found& found = of_rule(kind, rule.route, rule.rule);
    rule.policy = found.policy;
    rule.fault = found.fault;
    rule.route_fault = found.route_fault;
  }
}

}  // namespace weft::control
