// One rule per match, sorted once by a key that spells the precedence out. Rules of foreign namespaces
// (consumer routes) carry their namespace: sidecars of others pass over them, and forward as if there
// were no route where no rule concerns them.
#include "control/compile_routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <tuple>

namespace weft::control {
namespace {

// Smaller comes first.
struct Precedence {
  bool producer;  // consumer routes first
  // Gateway API, HTTPRouteSpec.hostnames: most characters of a name without wildcard, then of any.
  int64_t plain_host, host;
  int path_kind;        // exact, prefix, regular expression
  int64_t path_length;  // negative: longer first
  bool any_method;
  int64_t headers, query;  // negative: more first
  int64_t created;         // older first
  std::string_view route;  // of the candidate's rule
  size_t rule, match;
  auto operator<=>(const Precedence&) const = default;
};

int rank(const model::RouteMatch& match) {
  // Of gRPC a regular expression is "this method of any service": closer than any call at all.
  if (match.grpc && match.path.value == "/") return 3;
  switch (match.path.kind) {
    case model::PathMatch::kExact: return 0;
    case model::PathMatch::kPrefix: return 1;
    case model::PathMatch::kRegex: return 2;
  }
  return 4;
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

model::RouteRule make_rule(const model::ServiceName& service, const Object& route,
                           const HttpRouteRule& rule, size_t index, const BackendUsable& usable) {
  model::RouteRule out;
  out.route = route.meta.ns + "/" + route.meta.name;
  out.rule = rule.name.empty() ? std::to_string(index) : rule.name;
  out.request_headers = rule.request_headers;
  out.response_headers = rule.response_headers;
  const auto mirrors = [&](const std::vector<MirrorRef>& refs) {
    std::vector<model::Mirror> made;
    for (const MirrorRef& ref : refs) {
      const model::Backend to = compiled_backend(ref.to, usable(route, service, ref.to));
      made.push_back({to.service, to.port, ref.share, to.invalid});
    }
    return made;
  };
  for (const BackendRef& ref : rule.backends) {
    out.backends.push_back(compiled_backend(ref, usable(route, service, ref)));
    out.backends.back().mirrors = mirrors(ref.mirrors);
  }
  out.mirrors = mirrors(rule.mirrors);
  out.cors = rule.cors;
  out.persistence = rule.persistence;
  out.request_timeout = rule.request_timeout;
  out.backend_timeout = rule.backend_timeout;
  out.retry = rule.retry;
  out.redirect = rule.redirect;
  out.rewrite = rule.rewrite;
  return out;
}

int64_t characters(const std::string& host, bool plain) {
  return plain && host.starts_with("*.") ? 0 : static_cast<int64_t>(host.size());
}

// A rule is made where it stays: of thousands, moving them about would be most of the work.
using Candidates = std::deque<Candidate>;

Precedence order_of(const Object& route, const model::RouteRule& rule, size_t index, size_t match) {
  return {.producer = rule.consumer_namespace.empty(),
          .plain_host = -characters(rule.match.host, true),
          .host = -characters(rule.match.host, false),
          .path_kind = rank(rule.match),
          .path_length = -prefix_length(rule.match.path),
          .any_method = rule.match.method.empty(),
          .headers = -static_cast<int64_t>(rule.match.headers.size()),
          .query = -static_cast<int64_t>(rule.match.query.size()),
          .created = route.meta.created.unix_ns,
          .route = rule.route,
          .rule = index,
          .match = match};
}

// `consumer`: the rules are for callers of the route's namespace only.
void add_candidates(const model::ServiceName& service, const Object& route,
                    const std::vector<std::string>& hosts, bool consumer,
                    const BackendUsable& usable, Candidates& out) {
  const auto& spec = std::get<HttpRouteSpec>(route.spec);
  for (size_t r = 0; r < spec.rules.size(); ++r) {
    model::RouteRule rule = make_rule(service, route, spec.rules[r], r, usable);
    if (consumer) rule.consumer_namespace = route.meta.ns;
    const auto& matches = spec.rules[r].matches;
    for (size_t m = 0; m < matches.size(); ++m) {
      for (size_t h = 0; h < hosts.size(); ++h) {
        const bool last = m + 1 == matches.size() && h + 1 == hosts.size();
        Candidate& made = out.emplace_back();
        // NOLINTNEXTLINE(bugprone-use-after-move): only the last turn moves it.
        made.rule = last ? std::move(rule) : rule;
        made.rule.match = matches[m];
        made.rule.match.host = hosts[h];
        made.order = order_of(route, made.rule, r, m);
      }
    }
  }
}

void take_in_order(Candidates& candidates, model::ServicePort& port) {
  std::vector<Candidate*> order;
  order.reserve(candidates.size());
  for (Candidate& candidate : candidates) order.push_back(&candidate);
  std::ranges::sort(order,
                    [](const Candidate* a, const Candidate* b) { return a->order < b->order; });
  port.rules.reserve(port.rules.size() + order.size());
  for (Candidate* candidate : order) port.rules.push_back(std::move(candidate->rule));
}

}  // namespace

bool names_port(const ParentRef& parent, const model::ServiceName& service,
                const model::ServicePort& port) {
  return parent.is_service() && parent.service == service &&
         (parent.port == 0 || parent.port == port.port) &&
         (parent.section.empty() || parent.section == port.name);
}

bool attaches(const ParentRef& parent, const model::ServiceName& service,
              const model::ServicePort& port) {
  return port.protocol != model::Protocol::kTcp && names_port(parent, service, port);
}

model::Backend compiled_backend(const BackendRef& ref, bool usable) {
  model::Backend out = ref.backend;
  out.invalid = !usable;
  if (!model::is_dns_label(out.service.name)) out.service.name = "invalid";
  return out;
}

void compile_rules(const model::ServiceName& service, const std::vector<const Object*>& routes,
                   const BackendUsable& usable, model::ServicePort& port) {
  static const std::vector<std::string> kAnyHost = {""};
  Candidates candidates;
  for (const Object* route : routes) {
    const auto* spec = std::get_if<HttpRouteSpec>(&route->spec);
    if (!spec || !route->unsupported.empty()) continue;
    if (std::ranges::any_of(spec->parents,
                            [&](const ParentRef& p) { return attaches(p, service, port); })) {
      add_candidates(service, *route, spec->hostnames.empty() ? kAnyHost : spec->hostnames,
                     route->meta.ns != service.ns, usable, candidates);
    }
  }
  if (candidates.empty()) return;
  port.routed = true;
  take_in_order(candidates, port);
}

void compile_hosted_rules(const std::vector<HostedRoute>& routes, const BackendUsable& usable,
                          model::ServicePort& port) {
  Candidates candidates;
  for (const HostedRoute& one : routes)
    add_candidates({}, *one.route, one.hosts, false, usable, candidates);
  take_in_order(candidates, port);
}

}  // namespace weft::control
