// One rule per match, sorted once by a key that spells the precedence out. Rules of foreign namespaces
// (consumer routes) carry their namespace: sidecars of others pass over them, and forward as if there
// were no route where no rule concerns them.
#include "control/compile_routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace weft::control {
namespace {

// Smaller comes first.
struct Precedence {
  bool producer;        // consumer routes first
  int path_kind;        // exact, prefix, regular expression
  int64_t path_length;  // negative: longer first
  bool any_method;
  int64_t headers, query;  // negative: more first
  int64_t created;         // older first
  std::string route;
  size_t rule, match;
  auto operator<=>(const Precedence&) const = default;
};

int rank(model::PathMatch::Kind kind) {
  switch (kind) {
    case model::PathMatch::kExact: return 0;
    case model::PathMatch::kPrefix: return 1;
    case model::PathMatch::kRegex: return 2;
  }
  return 3;
}

// A trailing slash of a prefix does not count: /a/ and /a match the same paths.
int64_t prefix_length(const model::PathMatch& path) {
  if (path.kind != model::PathMatch::kPrefix) return 0;
  const std::string_view value = path.value;
  return static_cast<int64_t>(value.ends_with('/') ? value.size() - 1 : value.size());
}

struct Candidate {
  Precedence order;
  model::RouteRule rule;
};

model::RouteRule make_rule(const Object& route, const HttpRouteRule& rule, size_t index,
                           const BackendExists& exists) {
  model::RouteRule out;
  out.route = route.meta.ns + "/" + route.meta.name;
  out.rule = rule.name.empty() ? std::to_string(index) : rule.name;
  out.request_headers = rule.request_headers;
  out.response_headers = rule.response_headers;
  out.backends = rule.backends;
  for (model::Backend& backend : out.backends) {
    backend.invalid = !exists(backend.service, backend.port);
  }
  out.request_timeout = rule.request_timeout;
  out.backend_timeout = rule.backend_timeout;
  out.retry = rule.retry;
  return out;
}

void add_candidates(const model::ServiceName& service, const Object& route,
                    const BackendExists& exists, std::vector<Candidate>& out) {
  const auto& spec = std::get<HttpRouteSpec>(route.spec);
  const bool consumer = route.meta.ns != service.ns;
  for (size_t r = 0; r < spec.rules.size(); ++r) {
    model::RouteRule rule = make_rule(route, spec.rules[r], r, exists);
    if (consumer) rule.consumer_namespace = route.meta.ns;
    for (size_t m = 0; m < spec.rules[r].matches.size(); ++m) {
      rule.match = spec.rules[r].matches[m];
      out.push_back({{.producer = !consumer,
                      .path_kind = rank(rule.match.path.kind),
                      .path_length = -prefix_length(rule.match.path),
                      .any_method = rule.match.method.empty(),
                      .headers = -static_cast<int64_t>(rule.match.headers.size()),
                      .query = -static_cast<int64_t>(rule.match.query.size()),
                      .created = route.meta.created.unix_ns,
                      .route = rule.route,
                      .rule = r,
                      .match = m},
                     rule});
    }
  }
}

}  // namespace

bool attaches(const HttpRouteSpec& route, const model::ServiceName& service,
              const model::ServicePort& port) {
  return std::ranges::any_of(route.parents, [&](const ParentRef& parent) {
    return parent.service == service && port.protocol != model::Protocol::kTcp &&
           (parent.port == 0 || parent.port == port.port);
  });
}

void compile_rules(const model::ServiceName& service, const std::vector<const Object*>& routes,
                   const BackendExists& exists, model::ServicePort& port) {
  std::vector<Candidate> candidates;
  for (const Object* route : routes) {
    if (attaches(std::get<HttpRouteSpec>(route->spec), service, port)) {
      add_candidates(service, *route, exists, candidates);
    }
  }
  if (candidates.empty()) return;
  std::ranges::sort(candidates, {}, &Candidate::order);
  port.routed = true;
  for (Candidate& candidate : candidates) port.rules.push_back(std::move(candidate.rule));
}

}  // namespace weft::control
