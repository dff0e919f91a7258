// What is wrong with a listener is said in the Gateway API's words (ListenerConditionReason).
#include "control/compile_listeners.h"

#include <fmt/format.h>

#include <algorithm>
#include <expected>

#include "control/compile_listener_sets.h"
#include "trust/authorities.h"

namespace weft::control {
namespace {

using model::GatewayListener;

std::vector<std::string> kinds_of(GatewayListener::Protocol protocol) {
  switch (protocol) {
    case GatewayListener::kHttp:
    case GatewayListener::kHttps: return {"HTTPRoute", "GRPCRoute"};
    case GatewayListener::kTls: return {"TLSRoute"};
    case GatewayListener::kTcp: return {"TCPRoute"};
  }
  return {};
}

std::optional<GatewayListener::Protocol> protocol_of(const ListenerSpec& listener) {
  if (listener.protocol == "HTTP") return GatewayListener::kHttp;
  if (listener.protocol == "HTTPS") return GatewayListener::kHttps;
  if (listener.protocol == "TLS" && listener.passthrough) return GatewayListener::kTls;
  if (listener.protocol == "TCP") return GatewayListener::kTcp;
  return std::nullopt;
}

// What may share a port: the first bytes of a connection must tell the listeners apart.
bool fit_together(GatewayListener::Protocol a, GatewayListener::Protocol b) {
  const auto by_name = [](GatewayListener::Protocol p) {
    return p == GatewayListener::kHttps || p == GatewayListener::kTls;
  };
  if (by_name(a) && by_name(b)) return true;
  return a == b && a == GatewayListener::kHttp;
}

// Why two listeners of one port cannot both be; nothing: they can.
BackendProblem conflict_of(const JudgedListener& listener, const JudgedListener& other) {
  if (!other.protocol || other.spec->port != listener.spec->port) return {};
  const uint16_t port = other.spec->port;
  // What is in other people's objects is not told further.
  const std::string which = other.owner == listener.owner ? "listener " + other.spec->name
                            : other.owner->kind() == "Gateway"
                                ? "listener " + other.spec->name + " of the Gateway"
                                : "a listener of another ListenerSet";
  if (!fit_together(*listener.protocol, *other.protocol)) {
    return {"ProtocolConflict",
            fmt::format("{} has port {} too and speaks {}", which, port, other.spec->protocol)};
  }
  if (other.spec->hostname != listener.spec->hostname) return {};
  return {"HostnameConflict", fmt::format("{} has the same port and hostname", which)};
}

// Within one object all who are in each other's way lose; between objects the first one keeps its place.
void judge_conflicts(std::vector<JudgedListener>& listeners) {
  for (size_t i = 0; i < listeners.size(); ++i) {
    JudgedListener& one = listeners[i];
    if (!one.protocol) continue;
    for (size_t j = 0; j < listeners.size() && one.conflict.reason.empty(); ++j) {
      const JudgedListener& other = listeners[j];
      const bool same = other.owner == one.owner;
      const bool before = j < i && other.accepted();
      if (j != i && (same || before)) one.conflict = conflict_of(one, other);
    }
  }
}

void judge_kinds(const ListenerSpec& listener, JudgedListener& out) {
  out.kinds = kinds_of(*out.protocol);
  if (listener.kinds.empty()) return;
  std::vector<std::string> allowed;
  for (const ListenerSpec::RouteKind& kind : listener.kinds) {
    const bool fits =
        kind.group == kGatewayGroup && std::ranges::find(out.kinds, kind.kind) != out.kinds.end();
    if (fits) {
      allowed.push_back(kind.kind);
    } else {
      out.unresolved = {"InvalidRouteKinds",
                        fmt::format("a {} listener takes no {}", listener.protocol, kind.kind)};
    }
  }
  out.kinds = std::move(allowed);
}

void judge_certificates(const Compiler::State& state, JudgedListener& out) {
  const Object& owner = *out.owner;
  const auto wrong = [&](const char* reason, std::string message) {
    if (out.unresolved.reason.empty()) out.unresolved = {reason, std::move(message)};
  };
  for (const ObjectRef& ref : out.spec->certificates) {
    model::GatewayCertificate certificate;
    BackendProblem problem =
        find_certificate(state, owner, ref, "InvalidCertificateRef", certificate);
    if (problem.reason.empty()) {
      out.certificates.push_back(std::move(certificate));
    } else {
      wrong(problem.reason.c_str(), std::move(problem.message));
    }
  }
  if (out.spec->certificates.empty()) {
    wrong("InvalidCertificateRef", "no certificate is named (tls.certificateRefs)");
  }
}

// PEM of a ConfigMap, or why nobody can be verified by it.
std::expected<std::string, std::string> authorities_of(const Compiler::State& state,
                                                       const ObjectRef& ref) {
  const std::string name = ref.ns + "/" + ref.name;
  const auto it = state.objects.find({"ConfigMap", ref.ns, ref.name});
  if (it == state.objects.end())
    return std::unexpected(fmt::format("there is no ConfigMap {}", name));
  const auto& data = std::get<ConfigMapSpec>(it->second.spec).data;
  const auto pem = data.find("ca.crt");
  if (pem == data.end()) return std::unexpected(fmt::format("ConfigMap {} has no ca.crt", name));
  if (auto read = trust::authorities_from_pem(pem->second); !read) {
    return std::unexpected(fmt::format("ConfigMap {}: ca.crt: {}", name, read.error().message()));
  }
  return pem->second;
}

// FrontendTLSValidation of a Gateway, for one of its HTTPS listeners.
void judge_clients(const Compiler::State& state, const Object& gateway, JudgedListener& out) {
  const auto& spec = std::get<GatewaySpec>(gateway.spec);
  const auto own = spec.clients_of_port.find(out.spec->port);
  const ClientsSpec& clients = own == spec.clients_of_port.end() ? spec.clients : own->second;
  if (clients.authorities.empty()) return;
  const auto wrong = [&](const char* reason, std::string message) {
    if (out.unresolved.reason.empty()) out.unresolved = {reason, std::move(message)};
  };
  std::string roots;
  for (const ObjectRef& ref : clients.authorities) {
    if (!ref.group.empty() || ref.kind != "ConfigMap") {
      wrong("InvalidCACertificateKind",
            fmt::format("a {} holds no authorities for clients: only a ConfigMap does", ref.kind));
      continue;
    }
    if (!is_granted(state, gateway, ref)) {
      wrong("RefNotPermitted",
            fmt::format(
                "no ReferenceGrant in namespace {} lets a Gateway of {} refer to ConfigMap {}",
                ref.ns, gateway.meta.ns, ref.name));
      continue;
    }
    auto pem = authorities_of(state, ref);
    if (pem) {
      roots += *pem + "\n";
    } else {
      wrong("InvalidCACertificateRef", std::move(pem.error()));
    }
  }
  if (roots.empty()) {
    out.unaccepted = {"NoValidCACertificate", out.unresolved.message};
  } else {
    out.clients = {std::move(roots), clients.fallback};
  }
}

void judge(const Compiler::State& state, const Object& gateway, JudgedListener& out) {
  const ListenerSpec& listener = *out.spec;
  out.protocol = protocol_of(listener);
  if (!out.protocol) {
    out.unaccepted =
        listener.protocol == "TLS"
            ? BackendProblem{"UnsupportedValue",
                             "tls.mode: Weft ends TLS for HTTPS only; write Passthrough"}
            : BackendProblem{"UnsupportedProtocol",
                             fmt::format("Weft opens HTTP, HTTPS, TLS and TCP listeners, not {}",
                                         listener.protocol)};
    return;
  }
  judge_kinds(listener, out);
  if (*out.protocol != GatewayListener::kHttps) return;
  judge_certificates(state, out);
  judge_clients(state, gateway, out);
}

}  // namespace

BackendProblem find_certificate(const Compiler::State& state, const Object& owner,
                                const ObjectRef& ref, const char* invalid,
                                model::GatewayCertificate& out) {
  const std::string name = ref.ns + "/" + ref.name;
  if (!ref.group.empty() || ref.kind != "Secret") {
    return {invalid, fmt::format("a {} holds no certificate: only a Secret does", ref.kind)};
  }
  if (!is_granted(state, owner, ref)) {
    return {"RefNotPermitted",
            fmt::format("no ReferenceGrant in namespace {} lets a {} of {} refer to Secret {}",
                        ref.ns, owner.kind(), owner.meta.ns, ref.name)};
  }
  const auto it = state.objects.find({"Secret", ref.ns, ref.name});
  if (it == state.objects.end()) return {invalid, fmt::format("there is no Secret {}", name)};
  const auto& secret = std::get<SecretSpec>(it->second.spec);
  if (!secret.problem.empty()) return {invalid, fmt::format("Secret {}: {}", name, secret.problem)};
  out = {secret.chain_pem, secret.key_pem};
  return {};
}

BackendProblem client_certificate_problem(const Compiler::State& state, const Object& gateway,
                                          model::GatewayCertificate& out) {
  return find_certificate(state, gateway, *std::get<GatewaySpec>(gateway.spec).client_certificate,
                          "InvalidClientCertificateRef", out);
}

bool JudgedListener::usable() const {
  return protocol && accepted() && (*protocol != GatewayListener::kHttps || !certificates.empty());
}

std::vector<JudgedListener> judge_listeners(const Compiler::State& state, const Object& gateway) {
  std::vector<JudgedListener> out;
  const auto add = [&](const Object& owner, const std::vector<ListenerSpec>& listeners) {
    for (const ListenerSpec& listener : listeners) {
      JudgedListener one{.owner = &owner, .spec = &listener};
      if (out.size() < model::Gateway::kMostListeners) {
        judge(state, gateway, one);
      } else {
        one.unaccepted = {"TooManyListeners",
                          fmt::format("a Gateway and its ListenerSets have at most {} listeners",
                                      model::Gateway::kMostListeners)};
      }
      out.push_back(std::move(one));
    }
  };
  add(gateway, std::get<GatewaySpec>(gateway.spec).listeners);
  for (const Object* set : sets_of(state, gateway))
    add(*set, std::get<ListenerSetSpec>(set->spec).listeners);
  judge_conflicts(out);
  return out;
}

bool is_granted(const Compiler::State& state, const Object& from, const ObjectRef& to) {
  if (to.ns == from.meta.ns) return true;
  const ObjectKey first{"ReferenceGrant", to.ns, ""};
  for (auto it = state.objects.lower_bound(first);
       it != state.objects.end() && it->first.kind == first.kind && it->first.ns == first.ns;
       ++it) {
    const auto& grant = std::get<ReferenceGrantSpec>(it->second.spec);
    const bool lets = std::ranges::any_of(grant.from, [&](const auto& one) {
      return one.group == kGatewayGroup && one.kind == from.kind() && one.ns == from.meta.ns;
    });
    const bool reaches = std::ranges::any_of(grant.to, [&](const auto& one) {
      return (one.group.empty() || one.group == "core") && one.kind == to.kind &&
             (one.name.empty() || one.name == to.name);
    });
    if (lets && reaches) return true;
  }
  return false;
}

}  // namespace weft::control
