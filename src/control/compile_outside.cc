// A policy that cannot be carried out still counts: what it was to protect is sent nowhere, rather than in plain. Costs
// the slices of one Service; a changed ConfigMap looks at the policies of its namespace.
#include "control/compile_outside.h"

#include <fmt/format.h>

#include <algorithm>

#include "control/compile_policies.h"
#include "model/outside.h"
#include "trust/authorities.h"

namespace weft::control {
namespace {

constexpr const char* kZoneLabel = "topology.kubernetes.io/zone";
constexpr const char* kPolicyKind = "BackendTLSPolicy";

std::vector<const EndpointSliceSpec*> slices(const Compiler::State& state,
                                             const model::ServiceName& service) {
  std::vector<const EndpointSliceSpec*> out;
  const auto it = state.slices_of_service.find(service);
  const ServiceSpec* spec = state.service(service);
  if (it == state.slices_of_service.end() || !spec || !spec->selector.empty()) return out;
  for (const ObjectKey& key : it->second) {
    const Object& slice = state.objects.at(key);
    if (slice.unsupported.empty()) out.push_back(&std::get<EndpointSliceSpec>(slice.spec));
  }
  return out;
}

struct Authorities {
  std::string pem, origin;  // none where the host's are trusted
  BackendProblem problem;   // of the first reference that is of no use
};

Authorities authorities_of(const Compiler::State& state, const Object& policy) {
  const auto& spec = std::get<BackendTlsSpec>(policy.spec);
  Authorities out;
  const auto wrong = [&](const char* reason, std::string message) {
    if (out.problem.reason.empty()) out.problem.reason = reason;
    out.problem.message += (out.problem.message.empty() ? "" : "; ") + message;
  };
  for (const BackendTlsSpec::Ref& ref : spec.authorities) {
    if (!ref.group.empty() || ref.kind != "ConfigMap") {
      wrong("InvalidKind",
            fmt::format("a {} holds no authorities here: only a ConfigMap does", ref.kind));
      continue;
    }
    const auto it = state.objects.find({"ConfigMap", policy.meta.ns, ref.name});
    if (it == state.objects.end()) {
      wrong("InvalidCACertificateRef",
            fmt::format("there is no ConfigMap {}/{}", policy.meta.ns, ref.name));
      continue;
    }
    const auto& data = std::get<ConfigMapSpec>(it->second.spec).data;
    const auto bundle = data.find("ca.crt");
    Result<std::vector<std::string>> read = fail(ErrorKind::kInvalid, "it has no ca.crt");
    if (bundle != data.end()) read = trust::authorities_from_pem(bundle->second);
    if (!read) {
      wrong("InvalidCACertificateRef",
            fmt::format("ConfigMap {}/{}: {}", policy.meta.ns, ref.name, read.error().message()));
      continue;
    }
    out.pem += bundle->second + "\n";
    out.origin += (out.origin.empty() ? "ConfigMap " : ", ConfigMap ") + ref.name;
  }
  return out;
}

const PolicyTarget& target_of(const Object& policy, const PolicyPlace& place) {
  const PolicyTargets& targets = std::get<BackendTlsSpec>(policy.spec).targets;
  return *std::ranges::find_if(
      targets, [&](const PolicyTarget& target) { return place_of(policy, target) == place; });
}

model::OutsideTlsPtr compile_tls(const Compiler::State& state, const model::ServiceName& service,
                                 const std::string& port_name) {
  const Object* policy = tls_policy(state, service, port_name);
  if (!policy) return nullptr;
  PolicyPlace place = place_of(service);
  place.section = port_name;
  if (policy_in_force(state, kPolicyKind, place) != policy) place.section.clear();
  const auto& spec = std::get<BackendTlsSpec>(policy->spec);
  Authorities authorities = authorities_of(state, *policy);
  auto out = std::make_shared<model::OutsideTls>();
  out->origin = fmt::format("{} {}/{}", kPolicyKind, policy->meta.ns, policy->meta.name);
  out->problem = tls_problem(state, *policy, target_of(*policy, place)).message;
  out->server_name = spec.hostname;
  out->authorities = std::move(authorities.pem);
  out->authorities_origin = spec.authorities.empty() ? spec.well_known : authorities.origin;
  out->names = spec.names;
  return out;
}

Condition condition(const char* type, const BackendProblem& problem, const char* good) {
  return {.type = type,
          .ok = problem.reason.empty(),
          .reason = problem.reason.empty() ? good : problem.reason,
          .message = problem.message};
}

}  // namespace

bool has_slices(const Compiler::State& state, const model::ServiceName& service) {
  return !slices(state, service).empty();
}

bool only_outside(const Compiler::State& state, const model::ServiceName& service) {
  return has_slices(state, service) && state.members(service).empty();
}

void add_outside(const Compiler::State& state, const std::vector<model::ServicePort>& ports,
                 model::EndpointSet& out) {
  std::map<IpAddress, model::Endpoint> endpoints;
  for (const EndpointSliceSpec* slice : slices(state, out.service)) {
    for (const EndpointSliceSpec::Endpoint& one : slice->endpoints) {
      for (const IpAddress& ip : one.addresses) {
        for (const EndpointSliceSpec::Port& port : slice->ports) {
          const auto of = std::ranges::find(ports, port.name, &model::ServicePort::name);
          if (of == ports.end()) continue;
          model::Endpoint& endpoint = endpoints[ip];
          if (endpoint.target_ports.empty()) {
            endpoint.outside = true;
            endpoint.workload = ip.to_string();
            endpoint.address = {ip, port.port};
            endpoint.ready = one.ready;
            if (!one.zone.empty()) endpoint.labels[kZoneLabel] = one.zone;
          }
          endpoint.target_ports.emplace(of->port, port.port);
        }
      }
    }
  }
  if (endpoints.empty()) return;
  for (auto& [ip, endpoint] : endpoints) out.endpoints.push_back(std::move(endpoint));
  if (state.policies_at.empty()) return;
  std::map<const Object*, model::OutsideTlsPtr> made;  // of ports that are spoken to alike
  for (const model::ServicePort& port : ports) {
    model::OutsideTlsPtr tls = compile_tls(state, out.service, port.name);
    if (!tls) continue;
    model::OutsideTlsPtr& shared = made[tls_policy(state, out.service, port.name)];
    if (!shared || *shared != *tls) shared = std::move(tls);
    out.outside_tls[port.port] = shared;
  }
}

std::vector<Condition> slice_conditions(const Compiler::State& state, const Object& slice) {
  const auto& spec = std::get<EndpointSliceSpec>(slice.spec);
  const model::ServiceName name{slice.meta.ns, spec.service};
  const ServiceSpec* service = state.service(name);
  BackendProblem problem;
  if (!slice.unsupported.empty()) {
    problem = {"UnsupportedValue", fmt::format("{}", fmt::join(slice.unsupported, "; "))};
  } else if (spec.service.empty()) {
    problem = {"TargetNotFound",
               "the label kubernetes.io/service-name names the Service it is for: there is none"};
  } else if (!service) {
    problem = {"TargetNotFound", fmt::format("there is no object Service {}", name.to_string())};
  } else if (!service->selector.empty()) {
    problem = {"Conflicted",
               fmt::format("Service {} selects workloads by their labels: those serve it",
                           name.to_string())};
  } else {
    for (const EndpointSliceSpec::Port& port : spec.ports) {
      if (std::ranges::find(service->ports, port.name, &ServicePortSpec::name) !=
          service->ports.end())
        continue;
      problem = {"TargetNotFound",
                 fmt::format("Service {} has no port {}", name.to_string(),
                             port.name.empty() ? "without a name" : "named " + port.name)};
    }
  }
  return {condition("Accepted", problem, "Accepted")};
}

const Object* tls_policy(const Compiler::State& state, const model::ServiceName& service,
                         const std::string& port_name) {
  PolicyPlace place = place_of(service);
  if (!port_name.empty()) {
    place.section = port_name;
    if (const Object* policy = policy_in_force(state, kPolicyKind, place)) return policy;
    place.section.clear();
  }
  return policy_in_force(state, kPolicyKind, place);
}

BackendProblem authorities_problem(const Compiler::State& state, const Object& policy) {
  return authorities_of(state, policy).problem;
}

BackendProblem tls_problem(const Compiler::State& state, const Object& policy,
                           const PolicyTarget& target) {
  const auto& spec = std::get<BackendTlsSpec>(policy.spec);
  if (target.kind != "Service" || !target.group.empty()) {
    return {"UnsupportedValue", fmt::format("kind {}: TLS is made towards Services", target.kind)};
  }
  if (!policy.unsupported.empty())
    return {"UnsupportedValue", fmt::format("{}", fmt::join(policy.unsupported, "; "))};
  if (spec.authorities.empty() && spec.well_known != "System") {
    return {"Invalid",
            fmt::format("wellKnownCACertificates: Weft knows System, not {}", spec.well_known)};
  }
  if (!spec.authorities.empty()) {
    const Authorities authorities = authorities_of(state, policy);
    if (authorities.pem.empty()) return {"NoValidCACertificate", authorities.problem.message};
  }
  const model::ServiceName service{policy.meta.ns, target.name};
  const ServiceSpec* object = state.service(service);
  const bool mesh = object ? !object->selector.empty() ||
                                 (!has_slices(state, service) && !state.members(service).empty())
                           : !state.ports(service).empty();
  if (!mesh) return {};
  return {
      "UnsupportedValue",
      fmt::format("{} is served within the mesh, where mutual TLS is always on: a policy is for "
                  "endpoints outside",
                  service.to_string())};
}

void index_slice(Compiler::State& state, const Object& object, bool add) {
  const auto* spec = std::get_if<EndpointSliceSpec>(&object.spec);
  if (!spec || spec->service.empty()) return;
  const model::ServiceName service{object.meta.ns, spec->service};
  auto& keys = state.slices_of_service[service];
  add ? (void)keys.insert(object.key()) : (void)keys.erase(object.key());
  if (keys.empty()) state.slices_of_service.erase(service);
}

void add_outside_services(const Compiler::State& state, const Object& object, Affected& out) {
  if (const auto* slice = std::get_if<EndpointSliceSpec>(&object.spec)) {
    if (!slice->service.empty()) out.insert({object.meta.ns, slice->service});
    return;
  }
  if (!std::holds_alternative<ConfigMapSpec>(object.spec)) return;
  const ObjectKey first{kPolicyKind, object.meta.ns, ""};
  for (auto it = state.objects.lower_bound(first);
       it != state.objects.end() && it->first.kind == first.kind && it->first.ns == first.ns;
       ++it) {
    const auto& spec = std::get<BackendTlsSpec>(it->second.spec);
    const bool refers = std::ranges::any_of(
        spec.authorities, [&](const auto& ref) { return ref.name == object.meta.name; });
    if (refers) add_targets(state, it->second, out);
  }
}

}  // namespace weft::control
