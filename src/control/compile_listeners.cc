// What is wrong with a listener is said in the Gateway API's words (ListenerConditionReason).
#include "control/compile_listeners.h"

#include <fmt/format.h>

#include <algorithm>

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

void judge_conflict(const GatewaySpec& gateway, const ListenerSpec& listener, JudgedListener& out) {
  for (const ListenerSpec& other : gateway.listeners) {
    if (&other == &listener || other.port != listener.port) continue;
    const auto protocol = protocol_of(other);
    if (!protocol) continue;
    if (!fit_together(*out.protocol, *protocol)) {
      out.conflict = {"ProtocolConflict", fmt::format("listener {} has port {} too and speaks {}",
                                                      other.name, other.port, other.protocol)};
    } else if (other.hostname == listener.hostname) {
      out.conflict = {"HostnameConflict",
                      fmt::format("listener {} has the same port and hostname", other.name)};
    }
    if (!out.conflict.reason.empty()) return;
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

bool secret_granted(const Compiler::State& state, const Object& gateway,
                    const ListenerSpec::Certificate& ref) {
  if (ref.ns == gateway.meta.ns) return true;
  const ObjectKey first{"ReferenceGrant", ref.ns, ""};
  for (auto it = state.objects.lower_bound(first);
       it != state.objects.end() && it->first.kind == first.kind && it->first.ns == first.ns;
       ++it) {
    const auto& grant = std::get<ReferenceGrantSpec>(it->second.spec);
    const bool from = std::ranges::any_of(grant.from, [&](const auto& one) {
      return one.group == kGatewayGroup && one.kind == "Gateway" && one.ns == gateway.meta.ns;
    });
    const bool to = std::ranges::any_of(grant.to, [&](const auto& one) {
      return (one.group.empty() || one.group == "core") && one.kind == "Secret" &&
             (one.name.empty() || one.name == ref.name);
    });
    if (from && to) return true;
  }
  return false;
}

void judge_certificates(const Compiler::State& state, const Object& gateway,
                        const ListenerSpec& listener, JudgedListener& out) {
  const auto wrong = [&](const char* reason, std::string message) {
    if (out.unresolved.reason.empty()) out.unresolved = {reason, std::move(message)};
  };
  for (const ListenerSpec::Certificate& ref : listener.certificates) {
    const std::string name = ref.ns + "/" + ref.name;
    if (!ref.group.empty() || ref.kind != "Secret") {
      wrong("InvalidCertificateRef",
            fmt::format("a {} holds no certificate: only a Secret does", ref.kind));
      continue;
    }
    if (!secret_granted(state, gateway, ref)) {
      wrong("RefNotPermitted",
            fmt::format("no ReferenceGrant in namespace {} lets a Gateway of {} refer to Secret {}",
                        ref.ns, gateway.meta.ns, ref.name));
      continue;
    }
    const auto it = state.objects.find({"Secret", ref.ns, ref.name});
    if (it == state.objects.end()) {
      wrong("InvalidCertificateRef", fmt::format("there is no Secret {}", name));
      continue;
    }
    const auto& secret = std::get<SecretSpec>(it->second.spec);
    if (!secret.problem.empty()) {
      wrong("InvalidCertificateRef", fmt::format("Secret {}: {}", name, secret.problem));
      continue;
    }
    out.certificates.push_back({secret.chain_pem, secret.key_pem});
  }
  if (listener.certificates.empty()) {
    wrong("InvalidCertificateRef", "no certificate is named (tls.certificateRefs)");
  }
}

}  // namespace

bool JudgedListener::usable() const {
  return protocol && unaccepted.reason.empty() && conflict.reason.empty() &&
         (*protocol != GatewayListener::kHttps || !certificates.empty());
}

JudgedListener judge_listener(const Compiler::State& state, const Object& gateway,
                              const ListenerSpec& listener) {
  JudgedListener out;
  out.protocol = protocol_of(listener);
  if (!out.protocol) {
    out.unaccepted =
        listener.protocol == "TLS"
            ? BackendProblem{"UnsupportedValue",
                             "tls.mode: Weft ends TLS for HTTPS only; write Passthrough"}
            : BackendProblem{"UnsupportedProtocol",
                             fmt::format("Weft opens HTTP, HTTPS, TLS and TCP listeners, not {}",
                                         listener.protocol)};
    return out;
  }
  judge_kinds(listener, out);
  judge_conflict(std::get<GatewaySpec>(gateway.spec), listener, out);
  if (*out.protocol == GatewayListener::kHttps) judge_certificates(state, gateway, listener, out);
  return out;
}

}  // namespace weft::control
