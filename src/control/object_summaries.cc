// A row is the short form of an object's status: the same conditions, of which the first that is not well is said.
#include "control/object_summaries.h"

#include <fmt/format.h>

#include <algorithm>

#include "control/api_json.h"

namespace weft::control {
namespace {

template <typename... Spec>
bool is_any(const Object& object) {
  return (std::holds_alternative<Spec>(object.spec) || ...);
}

std::string with_section(std::string name, const std::string& section) {
  return section.empty() ? name : name + "/" + section;
}

class Summarizer {
 public:
  Summarizer(const Compiler& compiler, const ServedFn& served, WallTime now)
      : compiler_(compiler), served_(served), now_(now) {}

  ObjectSummary make(const Object& object) {
    row_ = {.key = object.key(), .served = served_of(compiler_, object, served_)};
    const auto parents = compiler_.parents(object);
    const auto ancestors = compiler_.ancestors(object);
    for (const ParentState& one : parents) {
      const std::string port = one.ref.port == 0 ? "" : fmt::format(":{}", one.ref.port);
      of(with_section(fmt::format("{} {}{}", one.ref.kind, one.ref.service.to_string(), port),
                      one.ref.section),
         one.conditions);
    }
    for (const AncestorState& one : ancestors) {
      of(with_section(fmt::format("{} {}.{}", one.ref.kind, one.ref.name, object.meta.ns),
                      one.ref.section),
         one.conditions);
    }
    if (parents.empty() && ancestors.empty()) {
      look("", full_conditions(compiler_, object, served_));
    }
    if (is_any<GatewaySpec, ListenerSetSpec>(object)) {
      for (const auto& listener : compiler_.gateway_state(object).listeners) {
        look("listener " + listener.name, listener.conditions);
      }
    }
    if (const auto* fault = std::get_if<FaultPolicySpec>(&object.spec)) {
      row_.expires = fault->ends(object.meta.created);
    }
    if (ends_before_now()) row_.state = "over";
    if (row_.state.empty()) row_.state = "in force";
    return std::move(row_);
  }

 private:
  bool ends_before_now() const { return row_.expires.unix_ns != 0 && row_.expires <= now_; }

  void of(std::string what, const std::vector<Condition>& conditions) {
    look(what, conditions);
    if (std::ranges::all_of(conditions, &Condition::ok)) row_.acting.push_back(what);
    row_.of.push_back(std::move(what));
  }

  void look(const std::string& part, const std::vector<Condition>& conditions) {
    for (const Condition& one : conditions) {
      const bool well = one.type == "Conflicted" ? !one.ok : one.ok;
      if (well || !row_.state.empty()) continue;
      row_.state = one.reason;
      row_.why = fmt::format("{}{}{}", part, part.empty() ? "" : ": ", one.message);
    }
  }

  const Compiler& compiler_;
  const ServedFn& served_;
  WallTime now_;
  ObjectSummary row_;
};

}  // namespace

std::vector<ObjectSummary> object_summaries(const Compiler& compiler, const ServedFn& served,
                                            WallTime now) {
  std::vector<ObjectSummary> rows;
  for (const Object* object : compiler.objects()) {
    if (is_any<ServiceSpec, HttpRouteSpec>(*object)) continue;
    const bool acts = !compiler.parents(*object).empty() || !compiler.ancestors(*object).empty() ||
                      is_any<GatewaySpec, ListenerSetSpec, GatewayClassSpec>(*object);
    ObjectSummary row = Summarizer(compiler, served, now).make(*object);
    if (acts || row.state != "in force") rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<std::string> faults_in_force(const std::vector<ObjectSummary>& rows) {
  std::vector<std::string> out;
  for (const ObjectSummary& row : rows) {
    if (row.key.kind != "FaultPolicy" || row.acting.empty() || row.state == "over") continue;
    out.push_back(fmt::format("FaultPolicy {}/{} breaks calls of {} on purpose until {}",
                              row.key.ns, row.key.name, fmt::join(row.acting, ", "),
                              json_time(row.expires)));
  }
  return out;
}

}  // namespace weft::control
