// One pass per family, as the exposition format wants it; there are few services with policies.
#include "proxy/backend_metrics.h"

#include <algorithm>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

namespace weft::proxy {
namespace {

using steer::Breaker;
using steer::Outliers;

constexpr Breaker::What kBounds[] = {Breaker::kConnections, Breaker::kPending, Breaker::kRequests,
                                     Breaker::kRetries};

// A policy's circuit breaker, as it bounds requests to a backend.
using Said = const model::Said<model::CircuitBreaker>*;

struct Backend {
  std::string name;
  const EndpointGroup* group;
  std::map<std::string, Said> breakers;  // by the object that says them
};

// A rule of a route may have a policy where the Service has none.
bool anything_to_say(const EndpointGroup& group, Instant now) {
  if (!group.state) return false;
  if (group.policy || group.state->retry_budget.requests(now) > 0 ||
      group.state->budget_refusals.load(std::memory_order_relaxed) > 0) {
    return true;
  }
  for (int reason = 0; reason < Outliers::kReasons; ++reason) {
    if (group.state->outliers.ejections(static_cast<Outliers::Reason>(reason)) > 0) return true;
  }
  return std::any_of(std::begin(kBounds), std::end(kBounds), [&](Breaker::What what) {
    return group.state->breaker.now(what) > 0 || group.state->breaker.refused(what) > 0;
  });
}

uint32_t bound_of(const model::CircuitBreaker& breaker, Breaker::What what) {
  switch (what) {
    case Breaker::kConnections: return breaker.max_connections;
    case Breaker::kPending: return breaker.max_pending;
    case Breaker::kRequests: return breaker.max_requests;
    case Breaker::kRetries: return breaker.max_retries;
  }
  return 0;
}

using BreakersOf = std::unordered_map<model::ServiceName, std::map<std::string, Said>>;

template <typename Rule>
void add_breaker(const Rule& rule, BreakersOf& out) {
  if (!rule.policy || !rule.policy->circuit_breaker) return;
  const auto& said = *rule.policy->circuit_breaker;
  for (const model::Backend& backend : rule.backends) {
    if (!backend.invalid) out[backend.service].emplace(said.origin, &said);
  }
}

// Those of rules and routes, by the service that their requests go to.
BreakersOf breakers_of_rules(const Snapshot& snapshot) {
  BreakersOf out;
  for (const auto& [name, live] : snapshot.services) {
    for (const CompiledPort& port : live.compiled->ports) {
      for (const auto& rule : port.rules) add_breaker(rule->rule(), out);
      for (const model::TcpRule& rule : port.port.tcp_rules) add_breaker(rule, out);
    }
  }
  return out;
}

void write_breakers(telemetry::MetricsText& text, const std::vector<Backend>& backends) {
  text.gauge("weft_breaker_in_use", "What counts against a bound of the circuit breaker");
  for (const Backend& backend : backends) {
    for (Breaker::What what : kBounds) {
      text.sample({{"service", backend.name}, {"bound", to_string(what)}},
                  uint64_t{backend.group->state->breaker.now(what)});
    }
  }
  text.gauge("weft_breaker_bound",
             "The bound that a policy of the service, a route or a rule sets");
  for (const Backend& backend : backends) {
    for (const auto& [policy, breaker] : backend.breakers) {
      for (Breaker::What what : kBounds) {
        const uint32_t bound = bound_of(breaker->value, what);
        if (bound == 0) continue;
        text.sample({{"service", backend.name}, {"bound", to_string(what)}, {"policy", policy}},
                    uint64_t{bound});
      }
    }
  }
  text.counter("weft_breaker_refused", "What a bound of the circuit breaker turned away");
  for (const Backend& backend : backends) {
    for (Breaker::What what : kBounds) {
      text.sample({{"service", backend.name}, {"bound", to_string(what)}},
                  backend.group->state->breaker.refused(what));
    }
  }
}

}  // namespace

void write_backends(telemetry::MetricsText& text, const Snapshot& snapshot, Instant now) {
  std::vector<Backend> backends;
  const BreakersOf rules = breakers_of_rules(snapshot);
  for (const auto& [name, group] : snapshot.endpoints) {
    const auto narrow = rules.find(name);
    if (!anything_to_say(*group, now) && (narrow == rules.end() || !group->state)) continue;
    Backend backend{name.to_string(), group.get(), {}};
    if (narrow != rules.end()) backend.breakers = narrow->second;
    if (group->policy && group->policy->circuit_breaker) {
      const auto& wide = *group->policy->circuit_breaker;
      backend.breakers[wide.origin] = &wide;
    }
    backends.push_back(std::move(backend));
  }
  if (backends.empty()) return;
  std::sort(backends.begin(), backends.end(),
            [](const Backend& a, const Backend& b) { return a.name < b.name; });
  write_breakers(text, backends);
  text.counter("weft_retries_refused", "Retries that the budget did not pay for");
  for (const Backend& backend : backends) {
    text.sample({{"service", backend.name}},
                backend.group->state->budget_refusals.load(std::memory_order_relaxed));
  }
  text.gauge("weft_ejected_instances", "Instances that outlier detection has thrown out for now");
  for (const Backend& backend : backends) {
    const auto& all = backend.group->endpoints;
    text.sample({{"service", backend.name}},
                static_cast<uint64_t>(std::count_if(
                    all.begin(), all.end(),
                    [now](const LiveEndpoint& live) { return live.ejection->out(now); })));
  }
  text.counter("weft_ejections", "Instances thrown out, by what gave the reason");
  for (const Backend& backend : backends) {
    for (int reason = 0; reason < Outliers::kReasons; ++reason) {
      const auto which = static_cast<Outliers::Reason>(reason);
      text.sample({{"service", backend.name}, {"reason", to_string(which)}},
                  backend.group->state->outliers.ejections(which));
    }
  }
  text.counter("weft_ejections_withheld",
               "Ejections that did not happen because too many instances were out");
  for (const Backend& backend : backends) {
    text.sample({{"service", backend.name}}, backend.group->state->outliers.withheld());
  }
}

}  // namespace weft::proxy
