// Who behind a service could serve now and why the others could not; what the hop to them is protected by; what comes
// of it all.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/log.h"
#include "base/text.h"
#include "proxy/endpoint_standing.h"
#include "proxy/explain.h"
#include "proxy/inbound.h"
#include "proxy/outside.h"
#include "steer/locality.h"

namespace weft::proxy {
namespace {

std::string name_of(const Destination& to, const model::ServiceName& service, uint16_t port) {
  const bool one = to.kind == Destination::kWorkload;
  return fmt::format("{}:{}", one ? to.name() : service.to_string(), port);
}

// How endpoints outside the mesh are spoken to.
void tell_outside(const Snapshot& snapshot, const EndpointGroup& group, uint16_t service_port,
                  Explanation& out) {
  const auto it = group.outside_tls.find(service_port);
  const model::OutsideTls* tls = it == group.outside_tls.end() ? nullptr : it->second.get();
  if (!tls) {
    out.step("TLS", "",
             "plain: these endpoints are outside the mesh, and no BackendTLSPolicy asks for more");
  } else if (!tls->problem.empty()) {
    out.step("TLS", tls->origin, "nothing is sent: " + tls->problem);
  } else {
    std::vector<std::string> names;
    for (const model::OutsideTls::Name& name : tls->names) names.push_back(name.value);
    if (names.empty()) names.push_back(tls->server_name);
    Explanation::Step& step =
        out.step("TLS", tls->origin, "TLS 1.2 or 1.3 to endpoints outside the mesh");
    step.values.push_back({"it must show", join(names, " or "), tls->origin});
    step.values.push_back({"signed by", tls->authorities_origin, tls->origin});
    step.values.push_back({"server name (SNI)", tls->server_name, tls->origin});
    if (snapshot.gateway && snapshot.gateway->backend_certificate()) {
      step.values.push_back({"certificate of ours", "the Gateway's, to a server that asks for one",
                             "Gateway " + model::resource_name(snapshot.gateway->name())});
    }
  }
  out.step("authorization", "", "nobody: outside the mesh nothing knows the caller's identity");
}

}  // namespace

std::vector<Explainer::Share> Explainer::shares(const std::vector<model::Backend>& backends) {
  double sum = 0;
  for (const model::Backend& backend : backends) sum += backend.weight;
  std::vector<Share> all;
  for (const model::Backend& backend : backends) {
    if (backend.weight == 0) continue;
    all.push_back({backend.service, backend.port, backend.weight / sum, backend.invalid});
  }
  return all;
}

void Explainer::serve(const Destination& to, const std::vector<Share>& shares,
                      std::string_view what) {
  for (const Share& share : shares) {
    if (share.invalid) continue;
    if (const auto group = group_of(to, share))
      policies(name_of(to, share.service, share.port), *group);
    endpoints(to, share);
  }
  hop(what);
  conclude(shares, what);
  out_.outcome.says += unless_;
}

std::shared_ptr<const EndpointGroup> Explainer::group_of(const Destination& to,
                                                         const Share& share) const {
  return to.kind == Destination::kWorkload ? group_of_one(to) : snapshot_->group(share.service);
}

void Explainer::endpoints(const Destination& to, const Share& share) {
  const std::string name = name_of(to, share.service, share.port);
  const std::shared_ptr<const EndpointGroup> group =
      to.kind == Destination::kWorkload ? group_of_one(to) : snapshot_->group(share.service);
  if (!group) {
    out_.step("endpoints", "", "no instance of " + name + " is known");
    return;
  }
  std::vector<EndpointStanding> standings = standings_in(*group, share.port, rule_policy_, now_);
  const auto candidates = static_cast<size_t>(
      std::ranges::count_if(standings, [](const auto& one) { return one.candidate; }));
  Explanation::Step& step = out_.step(
      "endpoints", "",
      fmt::format("{} of {} instances of {} can be chosen", candidates, standings.size(), name));
  if (share.part < 1) {
    step.notes.push_back(fmt::format("{:.4g} % of the traffic goes there", share.part * 100));
  }
  choose(*group, share.port, standings);
  bool outside = false;
  for (size_t i = 0; i < standings.size(); ++i) {
    const LiveEndpoint& live = group->endpoints[i];
    Explanation::Endpoint one{.service = name,
                              .workload = live.endpoint.workload,
                              .address = live.endpoint.address.to_string()};
    if (!live.endpoint.outside) {
      one.identity = live.endpoint.identity.uri();
    } else if (const auto port = live.endpoint.target_ports.find(share.port);
               port != live.endpoint.target_ports.end()) {
      one.address = address_of(live.endpoint, port->second).to_string();
    }
    if (const auto zone = live.endpoint.labels.find(steer::kZoneLabel);
        zone != live.endpoint.labels.end()) {
      one.zone = zone->second;
    }
    one.candidate = standings[i].candidate;
    one.state = standings[i].state;
    one.active = live.health->active();
    if (one.candidate) {
      one.share_ppm = static_cast<uint32_t>(std::lround(share.part * standings[i].share * 1e6));
      out_.outcome.endpoints.push_back(one.workload);
    }
    outside = outside || (one.candidate && live.endpoint.outside);
    out_.endpoints.push_back(std::move(one));
  }
  if (outside) tell_outside(*snapshot_, *group, share.port, out_);
}

void Explainer::hop(std::string_view what) {
  const auto of_mesh = [](const Explanation::Endpoint& one) {
    return one.candidate && !one.identity.empty();
  };
  if (std::ranges::none_of(out_.endpoints, of_mesh)) return;
  Explanation::Step& tls =
      out_.step("TLS", "",
                fmt::format("mutual TLS 1.3 to the sidecar of the instance, as {}",
                            worker_.self.identity.uri()));
  std::vector<std::string> identities;
  for (const Explanation::Endpoint& one : out_.endpoints) {
    if (of_mesh(one) && std::ranges::find(identities, one.identity) == identities.end()) {
      identities.push_back(one.identity);
    }
  }
  tls.values.push_back({"it must show", join(identities, " or "), "its registration"});
  tls.values.push_back(
      {"form of the hop", std::string(what == "request" ? kAlpnH2 : kAlpnTcp), ""});
  if (worker_.tls) {
    tls.values.push_back(
        {"our certificate ends", to_rfc3339(worker_.tls->svid->not_after()), "the control plane"});
  }

  std::vector<std::string> denied;
  for (const std::string& identity : identities) {
    const auto id = model::SpiffeId::parse(identity);
    if (!id || !may_call(worker_.self.identity, *id)) denied.push_back(identity);
  }
  Explanation::Step& rights = out_.step(
      "authorization", "",
      denied.empty()
          ? "the destination's sidecar lets us in: identities of one namespace may call "
            "each other"
          : "the destination's sidecar refuses us: identities of another namespace may not "
            "call " +
                join(denied, " or "));
  if (denied.empty()) return;
  rights.notes.push_back("that is Weft's default");
  if (denied.size() == identities.size()) out_.outcome.status = 403;
}

void Explainer::conclude(const std::vector<Share>& shares, std::string_view what) {
  Explanation::Outcome& outcome = out_.outcome;
  const bool request = what == "request";
  if (outcome.status == 403) {
    outcome.says = request ? "the destination's sidecar answers 403" : "the connection is reset";
    outcome.flags = "UAEX";
    outcome.refused = !request;
    if (!request) outcome.status = 0;
    return;
  }
  const bool some_invalid = std::ranges::any_of(shares, &Share::invalid);
  if (outcome.endpoints.empty()) {
    outcome.says =
        fmt::format("{}: no instance is ready",
                    request ? fmt::format("the {} answers 503", us()) : "the connection is reset");
    outcome.flags = "UH";
    outcome.status = request ? 503 : 0;
    outcome.refused = !request;
    return;
  }
  outcome.says = fmt::format("the {} goes to {}", what,
                             outcome.endpoints.size() == 1
                                 ? outcome.endpoints.front()
                                 : fmt::format("one of {}", join(outcome.endpoints, ", ")));
  if (request && !outcome.target.empty()) {
    outcome.says += fmt::format(", as {} of {}", outcome.target, outcome.authority);
  }
  if (some_invalid) {
    outcome.says += request ? "; the share of backends that cannot be resolved gets 500"
                            : "; the share of backends that cannot be resolved is reset";
  }
}

}  // namespace weft::proxy
