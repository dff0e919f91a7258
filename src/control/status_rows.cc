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

ServiceRow service_row(const Compiler& compiler, const model::ServiceName& name,
                       const ServedFn& served) {
  ServiceRow row;
  row.name = name;
  row.served = served({{name, ""}});
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

Served served_of(const Compiler& compiler, const Object& object, const ServedFn& served) {
  return served(compiler.carriers(object));
}

Condition served_condition(const Served& served, int64_t generation) {
  Condition out{.type = "weft.dev/Served", .generation = generation};
  out.ok = served.problem.empty() && served.current == served.users;
  out.reason = !served.problem.empty() ? "Refused"
               : served.users == 0     ? "NoUser"
               : out.ok                ? "Served"
                                       : "Pending";
  out.message = served.users == 0
                    ? "no sidecar uses it now"
                    : fmt::format("served by {} of {} sidecars", served.current, served.users);
  if (!served.problem.empty()) {
    out.message += "; one keeps the version before: " + served.problem;
  }
  return out;
}

std::vector<ParentState> parent_states(const Compiler& compiler, const Object& route,
                                       const ServedFn& served) {
  std::vector<ParentState> out = compiler.parents(route);
  for (ParentState& parent : out) {
    parent.conditions.push_back(served_condition(served(parent.carriers), route.meta.generation));
  }
  return out;
}

std::vector<AncestorState> ancestor_states(const Compiler& compiler, const Object& policy,
                                           const ServedFn& served) {
  std::vector<AncestorState> out = compiler.ancestors(policy);
  for (AncestorState& ancestor : out) {
    ancestor.conditions.push_back(
        served_condition(served(ancestor.carriers), policy.meta.generation));
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
    condition.reason = "Refused";
    condition.message = "a proxy keeps the version before: " + state.problem;
  }
  return conditions;
}

}  // namespace weft::control
