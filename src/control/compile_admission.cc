// Counts first: with few rules in all, or few to be told apart, there is nothing to decide. That is one pass
// over the routes; only beyond it are they put in order and counted place by place.
#include "control/compile_admission.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "control/compile_tcp_routes.h"

namespace weft::control {
namespace {

// Rules that a request may meet one after the other stand in one place.
struct Place {
  std::string consumer, host;
  model::PathMatch::Kind kind;
  std::string path;  // of a regular expression: "", all of a host are in one place
  friend auto operator<=>(const Place&, const Place&) = default;
};

// Is it found only by looking at it?
bool looked_at(const model::RouteMatch& match) {
  return match.path.kind == model::PathMatch::kRegex || !match.headers.empty() ||
         !match.query.empty();
}

std::string to_text(const Place& place) {
  const std::string host = place.host.empty() ? "any host" : "host " + place.host;
  switch (place.kind) {
    case model::PathMatch::kExact: return fmt::format("{}, path {}", host, place.path);
    case model::PathMatch::kPrefix: return fmt::format("{}, path prefix {}", host, place.path);
    case model::PathMatch::kRegex: break;
  }
  return host + ", regular expressions as paths";
}

std::string normal_path(const model::PathMatch& path) {
  if (path.kind == model::PathMatch::kRegex) return "";
  std::string value = path.value;
  while (path.kind == model::PathMatch::kPrefix && value.size() > 1 && value.ends_with('/')) {
    value.pop_back();
  }
  return value;
}

struct Count {
  size_t rules = 0;      // of all kinds
  size_t looked_at = 0;  // of these

  explicit Count(const HttpRouteSpec& spec) {
    const size_t hosts = std::max<size_t>(1, spec.hostnames.size());
    for (const HttpRouteRule& rule : spec.rules) {
      rules += hosts * rule.matches.size();
      looked_at += hosts * static_cast<size_t>(std::ranges::count_if(
                               rule.matches, [](const auto& m) { return control::looked_at(m); }));
    }
  }
};

class Counting {
 public:
  Counting(const model::ServiceName& service, uint16_t port)
      : where_(fmt::format("port {} of {}", port, service.to_string())), service_(service) {}

  // Takes the route in, or says why not.
  std::string take(const Object& route, const HttpRouteSpec& spec) {
    const Count count(spec);
    if (rules_ + count.rules > kPortRules) {
      return fmt::format("{} takes at most {} rules: the routes before it have {}, this one has {}",
                         where_, kPortRules, rules_, count.rules);
    }
    std::map<Place, size_t> own = places_of(route, spec);
    for (const auto& [place, more] : own) {
      const auto before = places_.find(place);
      const size_t there = before == places_.end() ? 0 : before->second;
      if (there + more <= kPlaceRules) continue;
      return fmt::format(
          "{} takes at most {} rules that headers, query parameters or regular expressions tell "
          "apart under one host and path: under {} the routes before it have {}, this one has {}",
          where_, kPlaceRules, to_text(place), there, more);
    }
    rules_ += count.rules;
    for (const auto& [place, more] : own) places_[place] += more;
    return "";
  }

 private:
  std::map<Place, size_t> places_of(const Object& route, const HttpRouteSpec& spec) const {
    static const std::vector<std::string> kAnyHost = {""};
    std::map<Place, size_t> out;
    const std::string consumer = route.meta.ns == service_.ns ? "" : route.meta.ns;
    for (const HttpRouteRule& rule : spec.rules) {
      for (const model::RouteMatch& match : rule.matches) {
        if (!looked_at(match)) continue;
        for (const std::string& host : spec.hostnames.empty() ? kAnyHost : spec.hostnames) {
          ++out[{consumer, host, match.path.kind, normal_path(match.path)}];
        }
      }
    }
    return out;
  }

  const std::string where_;
  const model::ServiceName service_;
  size_t rules_ = 0;
  std::map<Place, size_t> places_;
};

void put_in_order(std::vector<const Object*>& routes) {
  std::ranges::sort(routes, [](const Object* a, const Object* b) {
    return std::tie(a->meta.created.unix_ns, a->meta.ns, a->meta.name) <
           std::tie(b->meta.created.unix_ns, b->meta.ns, b->meta.name);
  });
}

// TLSRoutes and TCPRoutes, of one rule each.
void add_opaque(const model::ServiceName& service, const std::vector<const Object*>& routes,
                const model::ServicePort& port, RoutesLeftOut& out) {
  std::vector<const Object*> attached;
  for (const Object* route : routes) {
    const auto* spec = std::get_if<TcpRouteSpec>(&route->spec);
    if (!spec || !route->unsupported.empty()) continue;
    if (std::ranges::any_of(
            spec->parents, [&](const ParentRef& p) { return attaches_opaque(p, service, port); })) {
      attached.push_back(route);
    }
  }
  if (attached.size() <= kOpaqueRules) return;
  put_in_order(attached);
  for (size_t i = kOpaqueRules; i < attached.size(); ++i) {
    out.emplace(attached[i]->key(),
                fmt::format("port {} of {} takes at most {} rules for opaque connections: the "
                            "routes before it have {}, this one has 1",
                            port.port, service.to_string(), kOpaqueRules, kOpaqueRules));
  }
}

}  // namespace

RoutesLeftOut left_out(const model::ServiceName& service, const std::vector<const Object*>& routes,
                       const model::ServicePort& port) {
  RoutesLeftOut out;
  add_opaque(service, routes, port, out);
  std::vector<const Object*> attached;
  size_t rules = 0, looked_at = 0;
  for (const Object* route : routes) {
    const auto* spec = std::get_if<HttpRouteSpec>(&route->spec);
    if (!spec || !route->unsupported.empty()) continue;
    if (std::ranges::none_of(spec->parents,
                             [&](const ParentRef& p) { return attaches(p, service, port); })) {
      continue;
    }
    const Count count(*spec);
    rules += count.rules;
    looked_at += count.looked_at;
    attached.push_back(route);
  }
  if (rules <= kPortRules && looked_at <= kPlaceRules) return out;
  put_in_order(attached);
  Counting counting(service, port.port);
  for (const Object* route : attached) {
    std::string why = counting.take(*route, std::get<HttpRouteSpec>(route->spec));
    if (!why.empty()) out.emplace(route->key(), std::move(why));
  }
  return out;
}

const RoutesLeftOut& left_out(const Compiler::State& state, const model::ServiceName& service,
                              const model::ServicePort& port) {
  auto& of_ports = state.left_out[service];
  const auto [it, fresh] = of_ports.try_emplace(port.port);
  if (fresh) it->second = left_out(service, state.routes(service), port);
  return it->second;
}

RoutesLeftOut left_out_of_listener(const std::string& where,
                                   const std::vector<HostedRoute>& routes) {
  RoutesLeftOut out;
  size_t rules = 0;
  for (const HostedRoute& one : routes) {
    const auto* http = std::get_if<HttpRouteSpec>(&one.route->spec);
    size_t more = http ? 0 : 1;
    if (http) {
      for (const HttpRouteRule& rule : http->rules) more += one.hosts.size() * rule.matches.size();
    }
    if (rules + more <= kListenerRules) {
      rules += more;
      continue;
    }
    out.emplace(one.route->key(), fmt::format("{} takes at most {} rules: the routes before it "
                                              "have {}, this one has {}",
                                              where, kListenerRules, rules, more));
  }
  return out;
}

}  // namespace weft::control
