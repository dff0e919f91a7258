// What comes from outside to a Gateway, in the order of GatewaySide::converse(): the port, the listener, TLS; then the
// stages every request or connection goes through. The client of the question is nobody in particular: it has no
// address, and shows no certificate.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/log.h"
#include "base/text.h"
#include "proxy/explain.h"
#include "proxy/first_words.h"
#include "proxy/gateway_decision.h"

namespace weft::proxy {
namespace {

using model::GatewayListener;

std::string object_of(const LiveGateway& gateway) {
  return "Gateway " + model::resource_name(gateway.name());
}

// Of a ListenerSet the listener's name is "NAMESPACE/SET/web".
std::string object_of(const LiveGateway& gateway, const LiveListener& listener) {
  const size_t slash = listener.name.rfind('/');
  if (slash == std::string::npos) return object_of(gateway) + " listener " + listener.name;
  return fmt::format("ListenerSet {} listener {}", listener.name.substr(0, slash),
                     listener.name.substr(slash + 1));
}

const char* told_apart(GatewayListener::Protocol protocol) {
  switch (protocol) {
    case GatewayListener::kHttp: return "takes HTTP: the Host tells its listeners apart";
    case GatewayListener::kHttps:
    case GatewayListener::kTls: return "takes TLS: the server name tells its listeners apart";
    case GatewayListener::kTcp: return "takes whatever comes";
  }
  return "";
}

std::string hostname_text(const LiveListener& listener) {
  return listener.hostname.empty() ? "any" : listener.hostname;
}

const char* kind_of(const LiveListener& listener) {
  switch (listener.protocol) {
    case GatewayListener::kHttp: return "HTTP";
    case GatewayListener::kHttps: return "HTTPS";
    case GatewayListener::kTls: return "TLS, passed on unopened";
    case GatewayListener::kTcp: return "TCP";
  }
  return "";
}

// "HTTP: its hostname *.test covers the host a.test"
std::string why_chosen(const LiveListener& listener, std::string_view what,
                       const std::string& name) {
  const std::string named =
      name.empty() ? fmt::format("no {}", what) : fmt::format("the {} {}", what, name);
  if (listener.hostname.empty())
    return fmt::format("{}: without a hostname it takes {}", kind_of(listener), named);
  return fmt::format("{}: its hostname {} covers {}", kind_of(listener), listener.hostname, named);
}

std::string certificate_text(const trust::PublicServer& certificate, WallTime now) {
  return fmt::format("of {}, {} {}", join(certificate.names, ", "),
                     certificate.not_after < now ? "over since" : "until",
                     to_rfc3339(certificate.not_after));
}

// Whether clients are asked for a certificate of theirs.
Explanation::Value clients_value(const LiveGateway& gateway, const LiveListener& listener) {
  if (!listener.clients) return {"the client's own", "not asked for", ""};
  return {"the client's own",
          listener.clients->fallback ? "asked for; who has none that holds is let in as nobody"
                                     : "required: who has none that holds is refused",
          object_of(gateway)};
}

// "shop.example, any" of the listeners at this port.
std::string hostnames_at(const LiveGateway& gateway, uint16_t port) {
  std::vector<std::string> names;
  for (const LiveListener& listener : gateway.listeners()) {
    if (listener.number() == port) names.push_back(hostname_text(listener));
  }
  return join(names, ", ");
}

std::string ports_text(const LiveGateway& gateway) {
  const std::set<uint16_t> ports = gateway.ports();
  return ports.empty() ? "no port" : fmt::format("{}", fmt::join(ports, ", "));
}

}  // namespace

Explanation Explainer::at_gateway(Question question) {
  const LiveGateway* gateway = snapshot_->gateway.get();
  if (!gateway) {
    out_.step("gateway", "", "no Gateway is known that this proxy would serve");
    return closed("the connection is refused: nothing is open", "");
  }
  const Destination to = gateway_destination(*snapshot_, question.port);
  const LiveListener* any = gateway->any(to.port);
  if (!any) {
    out_.step("gateway", object_of(*gateway),
              fmt::format("no listener has port {}; there is {}", to.port, ports_text(*gateway)))
        .notes.emplace_back("asked for is a listener's port, wherever on the host it is opened");
    return closed(fmt::format("the connection is refused: no listener has port {}", to.port), "");
  }
  out_.step("gateway", object_of(*gateway),
            fmt::format("port {} {}", to.port, told_apart(any->protocol)));
  switch (any->protocol) {
    case GatewayListener::kHttp:
      if (question.kind == Question::kRequest) return request(to, std::move(question.head));
      if (question.tls) return closed("TLS fails: the port takes HTTP in clear text", "");
      out_.outcome.status = 400;
      out_.outcome.says = "the gateway answers 400 to what is no HTTP";
      return std::move(out_);
    case GatewayListener::kTcp: return any_bytes(to, *any);
    case GatewayListener::kHttps:
    case GatewayListener::kTls: break;
  }
  return by_server_name(to, std::move(question));
}

Explanation Explainer::any_bytes(const Destination& to, const LiveListener& listener) {
  out_.step("listener", object_of(*snapshot_->gateway, listener), "TCP");
  const TcpRulePtr rule = listener.port().tcp_rules.any(worker_.self.ns);
  if (rule) return serve_by_tcp_rule(*rule, to, nullptr);
  out_.step("route", "", std::string(kNoRouteAttached));
  return closed("the connection is reset: " + std::string(kNoRouteAttached), "NR");
}

Explanation Explainer::by_server_name(Destination to, Question question) {
  FirstWords words;
  words.hello = {question.tls ? wire::ClientHello::kHello : wire::ClientHello::kNotTls,
                 to_lower(question.server_name)};
  const std::string& name = words.hello.server_name;
  const LiveGateway& gateway = *snapshot_->gateway;
  const NamedListener chosen = named_listener(*snapshot_, to.port, words.hello, worker_.self.ns);
  const LiveListener* listener = chosen.listener;
  if (!listener) {
    const std::string none = !question.tls  ? "what comes is not TLS"
                             : name.empty() ? "the client names no server"
                                            : "none has the server name " + name;
    out_.step("listener", "", none)
        .notes.push_back("hostnames at this port: " + hostnames_at(gateway, to.port));
    return no_hello_closes(words);
  }
  Explanation::Step& step = out_.step("listener", object_of(gateway, *listener),
                                      why_chosen(*listener, "server name", name));
  if (listener->protocol == GatewayListener::kTls) {
    if (chosen.rule) return serve_by_tcp_rule(*chosen.rule, to, nullptr);
    out_.step("route", "", "none of this listener has the server name " + name);
    return no_hello_closes(words);
  }
  certificates(*listener, name, step);
  to.listener = listener->name;
  to.tls = true;
  if (!question.head.method.empty()) {
    question.head.scheme = "https";
    return request(to, std::move(question.head));
  }
  step.notes.emplace_back("ask with https:// what becomes of a request in it");
  out_.outcome.says = "TLS ends at the gateway, and each request in it is routed by itself";
  return std::move(out_);
}

// What TLS that ends here shows and asks for.
void Explainer::certificates(const LiveListener& listener, const std::string& server_name,
                             Explanation::Step& step) const {
  const trust::PublicServer& shown = *listener.certificate(server_name);
  step.values.push_back(
      {"certificate", certificate_text(shown, worker_.loop.wall_now()), step.object});
  if (!LiveListener::certifies(shown, server_name)) {
    step.notes.emplace_back(
        "no certificate of the listener has that name, so its first is shown: who checks refuses");
  }
  step.values.push_back(clients_value(*snapshot_->gateway, listener));
  step.values.push_back({"TLS", "1.3; h2 or http/1.1 by ALPN", ""});
}

// Of the listeners of the port the one that the request is for.
void Explainer::host_of_listener(const Destination& to, const wire::RequestHead& head,
                                 const RuleChoice& choice) {
  const LiveGateway* gateway = snapshot_->gateway.get();
  const std::string host = host_of(head.authority);
  if (!gateway || !choice.listener) {
    Explanation::Step& step = out_.step("listener", "", "none has the host " + host);
    if (gateway) step.notes.push_back("hostnames at this port: " + hostnames_at(*gateway, to.port));
    return;
  }
  const std::string object = object_of(*gateway, *choice.listener);
  if (to.listener.empty()) {
    out_.step("listener", object, why_chosen(*choice.listener, "host", host));
  } else if (choice.port) {
    out_.step("host", object, fmt::format("{} belongs to the listener of the connection", host));
  } else {
    const LiveListener* of = gateway->named(to.listener);
    out_.step("host", object,
              fmt::format("{} belongs to it, but the connection is {}'s", host,
                          of ? object_of(*gateway, *of) : to.listener));
  }
}

// Of the effective form of a service: what leads there.
void Explainer::rules_leading_to(const model::ServiceName& name) {
  const auto leads = [&](const auto& rule) {
    return std::ranges::any_of(rule.backends, [&](const model::Backend& backend) {
      return !backend.invalid && backend.service == name;
    });
  };
  for (const LiveListener& listener : snapshot_->gateway->listeners()) {
    const std::string at = fmt::format(" (at {}, port {})",
                                       object_of(*snapshot_->gateway, listener), listener.number());
    for (const auto& rule : listener.port().rules) {
      if (!leads(rule->rule())) continue;
      out_.step("route", origin_of(rule->rule()), "asks for " + conditions_of(rule->rule()) + at)
          .values = values_of(rule->rule());
    }
    for (const model::TcpRule& rule : listener.port().port.tcp_rules) {
      if (!leads(rule)) continue;
      out_.step("route", origin_of(rule),
                (rule.hostnames.empty() ? "any connection" : join(rule.hostnames, ", ")) + at);
    }
  }
}

// Whatever is asked of it.
Explanation Explainer::gateway() {
  one_ = false;
  const LiveGateway& gateway = *snapshot_->gateway;
  out_.step("gateway", object_of(gateway), "listens at " + ports_text(gateway));
  for (const LiveListener& listener : gateway.listeners()) {
    Explanation::Step& step = out_.step("listener", object_of(gateway, listener),
                                        fmt::format("port {}, {}, hostname {}", listener.number(),
                                                    kind_of(listener), hostname_text(listener)));
    for (const trust::PublicServer& one : listener.certificates) {
      step.values.push_back(
          {"certificate", certificate_text(one, worker_.loop.wall_now()), step.object});
    }
    if (!listener.certificates.empty()) step.values.push_back(clients_value(gateway, listener));
    for (const auto& rule : listener.port().rules) {
      out_.step("route", origin_of(rule->rule()), "asks for " + conditions_of(rule->rule()))
          .values = values_of(rule->rule());
    }
    for (const model::TcpRule& rule : listener.port().port.tcp_rules) {
      out_.step("route", origin_of(rule),
                rule.hostnames.empty() ? "any connection" : join(rule.hostnames, ", "))
          .values = values_of(rule);
    }
  }
  out_.outcome.says = "this is what is in force for what comes from outside";
  return std::move(out_);
}

Explanation Explainer::no_hello_closes(const FirstWords& words) {
  const NoHello no = no_hello(words);
  const char* whose = worker_.presence == Presence::kGateway ? "client" : "app";
  return closed(no.alert
                    ? fmt::format("the {}'s TLS gets an alert and the connection is closed: {}",
                                  whose, no.why)
                    : "the connection is reset: " + no.why,
                "NR");
}

void Explainer::end(std::string says, std::string flags) {
  out_.outcome.refused = true;
  out_.outcome.flags = std::move(flags);
  out_.outcome.says = std::move(says);
}

Explanation Explainer::closed(std::string says, std::string flags) {
  end(std::move(says), std::move(flags));
  return std::move(out_);
}

}  // namespace weft::proxy
