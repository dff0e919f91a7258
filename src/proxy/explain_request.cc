// A request, stage by stage in the order of HttpPath::serve(). What a rule says comes with the rule as its origin;
// what nobody says is shown as the default it is.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "proxy/cors.h"
#include "proxy/explain.h"
#include "proxy/field_rules.h"
#include "proxy/gateway_decision.h"
#include "proxy/target.h"
#include "wire/h1_over_h2.h"

namespace weft::proxy {
namespace {

// Of the rules that would come first and do not match.
constexpr size_t kMostMisses = 5;

// Those that lack least first.
std::vector<std::string> near_misses(const RuleChoice& choice, const RequestView& view) {
  struct Near {
    const model::RouteRule* rule;
    std::vector<RuleMiss> misses;
    size_t rank;
  };
  std::vector<Near> all;
  for (const auto& rule : choice.port->rules) {
    if (rule == choice.rule) break;
    all.push_back({&rule->rule(), rule->misses(view), all.size()});
  }
  std::ranges::sort(all, {},
                    [](const Near& near) { return std::pair(near.misses.size(), near.rank); });
  const size_t shown = std::min(all.size(), kMostMisses);
  std::vector<std::string> notes;
  for (size_t i = 0; i < shown; ++i) {
    std::vector<std::string> needs;
    for (const RuleMiss& miss : all[i].misses) needs.push_back(need_of(miss, *all[i].rule));
    notes.push_back(
        fmt::format("not {}: it needs {}", origin_of(*all[i].rule), join(needs, " and ")));
  }
  if (all.size() > shown) {
    notes.push_back(fmt::format("nor any of {} more that rank before", all.size() - shown));
  }
  return notes;
}

}  // namespace

Explanation Explainer::request(const Destination& to, wire::RequestHead head) {
  const bool at_gateway = to.kind == Destination::kGateway;
  if (!at_gateway) destination(to);
  if (!form(to, head)) return std::move(out_);
  const bool grpc = is_grpc(head.fields);
  const RuleChoice choice = choose_rule(*snapshot_, to, head, grpc, worker_.self.ns);
  if (at_gateway) host_of_listener(to, head, choice);
  const bool routed = choice.port && (at_gateway || choice.port->routed_for(worker_.self.ns));
  if (!routed && choice.refused) {
    answer(*choice.refused);
    return std::move(out_);
  }
  if (!routed) {
    out_.step("route", "",
              choice.port ? "none concerns this caller: the service itself serves"
                          : "none: one instance is called by its own address");
    if (choice.service && !faults(choice.service->compiled->fault, &head.fields)) {
      return std::move(out_);
    }
    out_.outcome.target = head.target;
    out_.outcome.authority = head.authority;
    const std::vector<Share> shares = session(to, {{to.service, to.port}}, head.fields);
    head_ = &head;
    serve(to, shares, "request");
    return std::move(out_);
  }
  Explanation::Step& step = out_.step("route", "", "");
  step.notes = near_misses(choice, RoutedRequest(head, *choice.port, worker_.self.ns, grpc).view());
  if (choice.rule) {
    step.object = origin_of(choice.rule->rule());
    step.says = "matches: it asks for " + conditions_of(choice.rule->rule());
    out_.outcome.route = name_of(choice.rule->rule());
  } else {
    step.says = at_gateway ? "no rule of this listener matches" : "no rule of this port matches";
    if (choice.port->rules.empty()) step.says = kNoRouteAttached;
  }
  if (choice.refused) {
    answer(*choice.refused);
    return std::move(out_);
  }
  serve_by_rule(choice.rule->rule(),
                steer::in_force(&choice.rule->faults(),
                                choice.service ? choice.service->compiled->fault : nullptr,
                                worker_.loop.wall_now()),
                to, head);
  return std::move(out_);
}

// What is decided before any route.
bool Explainer::form(const Destination& to, wire::RequestHead& head) {
  wire::remove_hop_by_hop(head.fields);
  const std::string asked = head.target;
  resolve_dot_segments(head.target);
  Explanation::Step& step =
      out_.step("request", "",
                fmt::format("{} {} of {}{}", head.method, head.target, head.authority,
                            is_grpc(head.fields) ? ", gRPC" : ""));
  if (asked != head.target) step.notes.push_back("the path as sent was " + asked);
  if (to.kind != Destination::kGateway && to.protocol == model::Protocol::kAuto) {
    step.notes.push_back("the port declares no protocol: its first bytes show that it is HTTP");
  }
  if (worker_.overload.pressure() != Pressure::kNone) {
    const LocalReply reply = overloaded_reply(worker_.overload.cause());
    out_.step("overload", "",
              fmt::format("this {} sheds load: too much {}", us(), worker_.overload.cause()));
    answer(reply);
    return false;
  }
  const std::optional<LocalReply> reply = spend_max_forwards(head);
  if (reply) answer(*reply);
  return !reply;
}

void Explainer::serve_by_rule(const model::RouteRule& rule, const steer::FaultRulePtr& fault,
                              const Destination& to, wire::RequestHead& head) {
  rule_ = &rule;
  rule_policy_ = rule.policy.get();
  out_.steps.back().values = values_of(rule);
  if (rule.cors && !cross_origin(rule, head)) return;
  if (rule.redirect) {
    const LocalReply reply = redirect_by(rule, to, head);
    out_.step("redirect", origin_of(rule), fmt::format("{} to {}", reply.status, reply.location));
    answer(reply);
    return;
  }
  const wire::Fields as_sent = head.fields;
  const std::vector<Share> parts = session(to, shares(rule.backends), as_sent);
  // One that is usable stands for all: they differ in fields only, which are among the rule's values.
  const auto usable = std::ranges::find_if(rule.backends, [&](const model::Backend& backend) {
    return !backend.invalid && std::ranges::any_of(parts, [&](const Share& part) {
      return part.service == backend.service && part.port == backend.port;
    });
  });
  if (usable == rule.backends.end()) {
    answer(no_backend(rule));
    return;
  }
  const std::string target = head.target, authority = head.authority;
  apply_rule(rule, *usable, head);
  if (target != head.target || authority != head.authority) {
    out_.step(
        "rewrite", origin_of(rule),
        fmt::format("{} of {} becomes {} of {}", target, authority, head.target, head.authority));
  }
  out_.outcome.target = head.target;
  out_.outcome.authority = head.authority;
  copies(rule);
  if (!faults(fault, &as_sent)) return;
  head_ = &head;
  serve(to, parts, "request");
}

// False: the sidecar answers by itself.
bool Explainer::cross_origin(const model::RouteRule& rule, const wire::RequestHead& head) {
  const auto origin = head.fields.get("origin");
  Explanation::Step& step = out_.step("CORS", origin_of(rule), "no page of another origin asks");
  const bool allowed = origin && origin_allowed(*rule.cors, *origin);
  const std::string verdict =
      fmt::format("the origin {} is {}", origin.value_or(""), allowed ? "allowed" : "not allowed");
  if (!is_preflight(head)) {
    if (origin) {
      step.says = verdict + (allowed ? ": the answer is marked for it"
                                     : ": its browser keeps the answer from the page");
    }
    return true;
  }
  step.says = "a preflight, which no backend sees: " + verdict;
  const wire::Fields answered = preflight_answer(*rule.cors, head);
  for (const auto field : answered) {
    step.values.push_back({std::string(field.name), std::string(field.value), origin_of(rule)});
  }
  answer({.status = 204, .text = "weft: a preflight, answered by the route", .flags = ""});
  return false;
}

// Copies for others. Each is drawn for itself.
void Explainer::copies(const model::RouteRule& rule) {
  Explanation::Step& step = out_.step("mirrors", "", "none (default)");
  const auto put = [&](const std::vector<model::Mirror>& mirrors, const std::string& of) {
    for (const model::Mirror& mirror : mirrors) {
      step.object = origin_of(rule);
      step.says = "copies are sent, whose answers nobody waits for";
      step.values.push_back({"copy",
                             mirror.invalid
                                 ? fmt::format("none to {}:{}, which cannot be resolved",
                                               mirror.service.to_string(), mirror.port)
                                 : fmt::format("to {}:{} of {:.4g} %{}", mirror.service.to_string(),
                                               mirror.port, mirror.share / 1e4, of),
                             origin_of(rule)});
    }
  };
  put(rule.mirrors, " of the requests");
  for (const model::Backend& backend : rule.backends) {
    put(backend.mirrors,
        fmt::format(" of what goes to {}:{}", backend.service.to_string(), backend.port));
  }
}

void Explainer::answer(const LocalReply& reply) {
  out_.outcome.status = reply.status;
  out_.outcome.flags = reply.flags;
  out_.outcome.location = reply.location;
  out_.outcome.says = fmt::format("the {} answers {}: {}", us(), reply.status, reply.text);
}

}  // namespace weft::proxy
