// Where a connection goes, and an opaque one from its first words on: in the order of Outbound::converse() and
// TcpPath::open().
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "proxy/explain.h"
#include "proxy/first_words.h"

namespace weft::proxy {

Explainer::Explainer(const Worker& worker)
    : worker_(worker), snapshot_(worker.snapshot), now_(worker.loop.now()) {
  out_.generation = snapshot_->generation;
}

std::string_view Explainer::us() const {
  return worker_.presence == Presence::kGateway ? "gateway" : "sidecar";
}

void Explainer::destination(const Destination& to) {
  if (to.kind == Destination::kWorkload) {
    out_.step("destination", "Workload " + to.workload->endpoint.endpoint.workload,
              fmt::format("{}:{} is an instance's own address, {}", to.original.ip.to_string(),
                          to.port, readable(to.protocol)));
    return;
  }
  const LiveService* service = snapshot_->service(to.service);
  const CompiledPort* port = service ? service->compiled->port(to.port) : nullptr;
  const std::string name = port && !port->port.name.empty() ? " (" + port->port.name + ")" : "";
  out_.step("destination", "Service " + to.service.to_string(),
            fmt::format("port {}{}, {}", to.port, name, readable(to.protocol)));
}

Explanation Explainer::external(const Destination& to) {
  const std::string address = to.original.to_string();
  out_.step("destination", "", address + " is not of the mesh");
  out_.outcome.says = "the connection is carried to " + address +
                      " as it is: without routes, policies or TLS of Weft";
  return std::move(out_);
}

Explanation Explainer::refused(const std::string& what, const std::string& why) {
  out_.step("destination", "", what + ": " + why);
  out_.outcome.refused = true;
  out_.outcome.says = "the connection is refused: " + why;
  return std::move(out_);
}

Explanation Explainer::no_http(const Destination& to) {
  destination(to);
  out_.outcome.status = 400;
  out_.outcome.says =
      "the port is " + readable(to.protocol) + ": the sidecar answers 400 to what is no HTTP";
  return std::move(out_);
}

Explanation Explainer::connection(const Destination& to, bool tls, const std::string& server_name) {
  destination(to);
  out_.step("connection", "",
            tls ? fmt::format("TLS of the app's own, for the server name {}",
                              server_name.empty() ? "(none)" : server_name)
                : "opaque bytes");
  const LiveService* service =
      to.kind == Destination::kService ? snapshot_->service(to.service) : nullptr;
  const CompiledPort* port = service ? service->compiled->port(to.port) : nullptr;
  if (!port || !port->tcp_rules.concern(worker_.self.ns)) {
    out_.step("route", "", "none concerns this caller: the destination itself serves");
    if (service && !faults(service->compiled->fault, nullptr)) return std::move(out_);
    serve(to, {{to.service, to.port}}, "connection");
    return std::move(out_);
  }
  FirstWords words;
  words.hello = {tls ? wire::ClientHello::kHello : wire::ClientHello::kNotTls,
                 to_lower(server_name)};
  const TcpRules& rules = port->tcp_rules;
  const TcpRulePtr chosen = tls && rules.by_name(worker_.self.ns)
                                ? rules.named(worker_.self.ns, words.hello.server_name)
                                : rules.any(worker_.self.ns);
  if (chosen) return serve_by_tcp_rule(*chosen, to, service->compiled->fault);
  out_.step("route", "", "no rule of this port takes it: " + no_hello(words).why);
  return no_hello_closes(words);
}

Explanation Explainer::serve_by_tcp_rule(const CompiledTcpRule& chosen, const Destination& to,
                                         const steer::FaultRulePtr& wide) {
  const model::TcpRule& rule = chosen.rule();
  rule_policy_ = rule.policy.get();
  out_.outcome.route = rule.route + "/" + rule.rule;
  out_.step("route", origin_of(rule),
            rule.hostnames.empty() ? "takes any connection" : "has " + join(rule.hostnames, ", "))
      .values = values_of(rule);
  const std::vector<Share> parts = shares(rule.backends);
  if (std::ranges::all_of(parts, &Share::invalid)) {
    return closed("the connection is reset: route " + out_.outcome.route + " has no usable backend",
                  "NR");
  }
  const auto& fault = steer::in_force(&chosen.faults(), wide, worker_.loop.wall_now());
  if (!faults(fault, nullptr)) return std::move(out_);
  serve(to, parts, "connection");
  return std::move(out_);
}

Explanation Explainer::service(const model::ServiceName& name) {
  one_ = false;
  const LiveService* live = snapshot_->service(name);
  const model::Service& service = live->model();
  out_.step("service", "Service " + name.to_string(),
            service.headless
                ? "headless: its instances have addresses of their own"
                : fmt::format("{} and {}", service.vip4.to_string(), service.vip6.to_string()));
  if (snapshot_->gateway) rules_leading_to(name);
  for (const CompiledPort& port : live->compiled->ports) {
    out_.step("port", "Service " + name.to_string(),
              fmt::format("{}{}{}, {}", port.port.port, port.port.name.empty() ? "" : " ",
                          port.port.name, readable(port.port.protocol)));
    if (snapshot_->gateway) continue;  // the Service's own rules are for callers within the mesh
    for (const auto& rule : port.rules) {
      const std::string& callers = rule->rule().consumer_namespace;
      if (!callers.empty() && callers != worker_.self.ns) continue;
      out_.step("route", origin_of(rule->rule()), "asks for " + conditions_of(rule->rule()))
          .values = values_of(rule->rule());
    }
    for (const model::TcpRule& rule : port.port.tcp_rules) {
      if (!rule.consumer_namespace.empty() && rule.consumer_namespace != worker_.self.ns) continue;
      out_.step("route", origin_of(rule),
                rule.hostnames.empty() ? "any connection" : join(rule.hostnames, ", "));
    }
  }
  if (const auto group = snapshot_->group(name)) policies(name.to_string(), *group);
  Destination to;
  to.kind = Destination::kService;
  to.service = name;
  for (const CompiledPort& port : live->compiled->ports) {
    to.port = port.port.port;
    endpoints(to, {name, to.port});
  }
  out_.outcome.says = fmt::format("this is what is in force for calls to {}", name.to_string());
  return std::move(out_);
}

}  // namespace weft::proxy
