// Rows are rebuilt for each question: a status page every few seconds costs less than keeping them.
#include "control/status_rows.h"

#include <fmt/format.h>

#include <algorithm>

namespace weft::control {
namespace {

std::string match_text(const model::RouteMatch& match) {
  std::string out = match.method.empty() ? "" : match.method + " ";
  switch (match.path.kind) {
    case model::PathMatch::kExact: out += "=" + match.path.value; break;
    case model::PathMatch::kPrefix: out += match.path.value; break;
    case model::PathMatch::kRegex: out += "~" + match.path.value; break;
  }
  for (const model::StringMatch& one : match.headers) {
    out += fmt::format(" {}{}{}", one.name, one.kind == model::StringMatch::kRegex ? "~" : ":",
                       one.value);
  }
  for (const model::StringMatch& one : match.query) {
    out += fmt::format(" ?{}{}{}", one.name, one.kind == model::StringMatch::kRegex ? "~" : "=",
                       one.value);
  }
  return out;
}

std::string backends_text(const std::vector<BackendRef>& backends) {
  uint64_t total = 0;
  for (const BackendRef& ref : backends) total += ref.backend.weight;
  if (total == 0) return "nobody (status 500)";
  std::string out;
  for (const BackendRef& ref : backends) {
    const model::Backend& backend = ref.backend;
    out +=
        fmt::format("{}{}:{}", out.empty() ? "" : ", ", backend.service.to_string(), backend.port);
    if (backends.size() > 1) {
      out += fmt::format(" {:.3g} %", 100.0 * backend.weight / static_cast<double>(total));
    }
  }
  return out;
}

// Does a refusal ("route default/cart rule 0: …") name this route?
bool names_route(std::string_view refusal, std::string_view route) {
  const std::string named = fmt::format("route {}", route);
  for (size_t at = refusal.find(named); at != std::string_view::npos;
       at = refusal.find(named, at + 1)) {
    const std::string_view rest = refusal.substr(at + named.size());
    if (rest.starts_with(' ') || rest.starts_with(':')) return true;
  }
  return false;
}

struct Problem {
  std::string reason, message;
};

// What a refusal means for this object.
Problem problem_of(const Object& object, const Served& served) {
  const bool whole = std::holds_alternative<ServiceSpec>(object.spec) ||
                     std::holds_alternative<GatewaySpec>(object.spec);
  const bool anothers = !whole && served.problem.find("route ") != std::string::npos &&
                        !names_route(served.problem, object.meta.ns + "/" + object.meta.name);
  const char* kept = "the version before stays in use: ";
  if (anothers)
    return {"HeldBack", fmt::format("what comes with it is refused, {}{}", kept, served.problem)};
  if (served.withheld)
    return {"NotSent", fmt::format("every proxy would refuse it, {}{}", kept, served.problem)};
  return {"Refused", fmt::format("refused, {}{}", kept, served.problem)};
}

ServiceRow service_row(const Compiler& compiler, const model::ServiceName& name,
                       const ServedFn& served) {
  ServiceRow row;
  row.name = name;
  row.served = served_of(name, served);
  const Object* object = compiler.object({"Service", name.ns, name.name});
  row.implicit = object == nullptr;
  row.policies = compiler.policies_on({"Service", name.ns, name.name});
  if (object) row.conditions = full_conditions(compiler, *object, served);
  const auto compiled = compiler.compile(name);
  if (!compiled) return row;
  row.headless = compiled->service.headless;
  if (!row.headless) {
    row.vip4 = compiled->service.vip4.to_string();
    row.vip6 = compiled->service.vip6.to_string();
  }
  for (const model::ServicePort& port : compiled->service.ports) {
    row.ports.push_back(
        {port.port, port.name, std::string(model::to_string(port.protocol)), port.rules.size()});
  }
  row.instances = compiled->endpoints.endpoints.size();
  row.ready = static_cast<size_t>(
      std::ranges::count_if(compiled->endpoints.endpoints, &model::Endpoint::ready));
  return row;
}

}  // namespace

std::vector<ServiceRow> service_rows(const Compiler& compiler, const ServedFn& served) {
  std::vector<ServiceRow> rows;
  for (const model::ServiceName& name : compiler.services()) {
    rows.push_back(service_row(compiler, name, served));
  }
  return rows;
}

std::vector<RouteRow> route_rows(const Compiler& compiler, const ServedFn& served) {
  std::vector<RouteRow> rows;
  for (const Object* object : compiler.objects()) {
    const auto* spec = std::get_if<HttpRouteSpec>(&object->spec);
    if (!spec) continue;
    RouteRow row;
    row.key = object->key();
    for (const ParentRef& parent : spec->parents) {
      row.parents.push_back((parent.is_service() ? "" : parent.kind + " ") +
                            parent.service.to_string() +
                            (parent.port ? ":" + std::to_string(parent.port) : ""));
    }
    for (const HttpRouteRule& rule : spec->rules) {
      for (const model::RouteMatch& match : rule.matches) {
        row.rules.push_back(match_text(match) + " → " + backends_text(rule.backends));
      }
    }
    row.served = served_of(compiler, *object, served);
    row.conditions = full_conditions(compiler, *object, served);
    row.parent_states = parent_states(compiler, *object, served);
    row.policies = compiler.policies_on(row.key);
    rows.push_back(std::move(row));
  }
  return rows;
}

Served served_of(const model::ServiceName& service, const ServedFn& served) {
  Served out = served({{service, ""}});
  if (!out.problem.empty()) return out;
  Served endpoints = served({{service, "", Carrier::kEndpoints}});
  out.problem = std::move(endpoints.problem);
  out.withheld = endpoints.withheld;
  return out;
}

Served served_of(const Compiler& compiler, const Object& object, const ServedFn& served) {
  if (std::holds_alternative<ServiceSpec>(object.spec))
    return served_of(object.service_name(), served);
  return served(compiler.carriers(object));
}

Condition served_condition(const Object& object, const Served& served) {
  Condition out{.type = "weft.dev/Served", .generation = object.meta.generation};
  out.ok = served.problem.empty() && served.current == served.users;
  out.message = served.users == 0
                    ? "no sidecar uses it now"
                    : fmt::format("served by {} of {} sidecars", served.current, served.users);
  if (!served.problem.empty()) {
    const Problem problem = problem_of(object, served);
    out.reason = problem.reason;
    out.message += "; " + problem.message;
    return out;
  }
  out.reason = served.users == 0 ? "NoUser" : out.ok ? "Served" : "Pending";
  return out;
}

std::vector<ParentState> parent_states(const Compiler& compiler, const Object& route,
                                       const ServedFn& served) {
  std::vector<ParentState> out = compiler.parents(route);
  for (ParentState& parent : out) {
    parent.conditions.push_back(served_condition(route, served(parent.carriers)));
  }
  return out;
}

std::vector<AncestorState> ancestor_states(const Compiler& compiler, const Object& policy,
                                           const ServedFn& served) {
  std::vector<AncestorState> out = compiler.ancestors(policy);
  for (AncestorState& ancestor : out) {
    ancestor.conditions.push_back(served_condition(policy, served(ancestor.carriers)));
  }
  return out;
}

std::vector<Condition> full_conditions(const Compiler& compiler, const Object& object,
                                       const ServedFn& served) {
  std::vector<Condition> conditions = compiler.conditions(object);
  const Served state = served_of(compiler, object, served);
  for (Condition& condition : conditions) {
    if (condition.type != "Programmed" || state.problem.empty()) continue;
    condition.ok = false;
    const Problem problem = problem_of(object, state);
    condition.reason = problem.reason;
    condition.message = problem.message;
  }
  return conditions;
}

}  // namespace weft::control
