// A ListenerSet asks for its Gateway and the Gateway says whom it takes: both are needed, and the Gateway is silent
// about those it does not take.
#include "control/compile_listener_sets.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "control/compile_gateway.h"
#include "control/compile_listeners.h"

namespace weft::control {
namespace {

constexpr std::string_view kNamespaceLabel = "kubernetes.io/metadata.name";

}  // namespace

bool is_chosen(const Compiler::State& state, const NamespaceChoice& choice, std::string_view own,
               const std::string& ns) {
  switch (choice.from) {
    case NamespaceChoice::kNone: return false;
    case NamespaceChoice::kAll: return true;
    case NamespaceChoice::kSame: return ns == own;
    case NamespaceChoice::kSelector: break;
  }
  Labels labels;
  const auto it = state.objects.find({"Namespace", "", ns});
  if (it != state.objects.end()) labels = it->second.meta.labels;
  labels.insert_or_assign(std::string(kNamespaceLabel), ns);
  return choice.selector.matches(labels);
}

model::GatewayName gateway_of_set(const Object& set) {
  const ObjectRef& ref = std::get<ListenerSetSpec>(set.spec).gateway;
  return {ref.ns, ref.name};
}

BackendProblem set_problem(const Compiler::State& state, const Object& set) {
  const ObjectRef& ref = std::get<ListenerSetSpec>(set.spec).gateway;
  if (ref.group != kGatewayGroup || ref.kind != "Gateway")
    return {"Invalid", fmt::format("parentRef: a {} has no listeners, a Gateway has", ref.kind)};
  if (!set.unsupported.empty())
    return {"UnsupportedValue", fmt::format("{}", fmt::join(set.unsupported, "; "))};
  const std::string name = ref.ns + "/" + ref.name;
  const Object* gateway = find_gateway(state, gateway_of_set(set));
  if (!gateway) return {"ParentNotAccepted", fmt::format("there is no Gateway {}", name)};
  if (!is_chosen(state, std::get<GatewaySpec>(gateway->spec).sets, gateway->meta.ns, set.meta.ns)) {
    return {"NotAllowed",
            fmt::format("Gateway {} takes no ListenerSets of namespace {} (its allowedListeners)",
                        name, set.meta.ns)};
  }
  if (auto problem = gateway_problem(state, *gateway); !problem.reason.empty()) {
    return {"ParentNotAccepted",
            fmt::format("Gateway {} is not carried out: {}", name, problem.message)};
  }
  return {};
}

std::vector<const Object*> sets_of(const Compiler::State& state, const Object& gateway) {
  std::vector<const Object*> out;
  const auto it = state.sets_of_gateway.find({gateway.meta.ns, gateway.meta.name});
  if (it == state.sets_of_gateway.end()) return out;
  for (const ObjectKey& key : it->second) {
    const Object& set = state.objects.at(key);
    if (set_problem(state, set).reason.empty()) out.push_back(&set);
  }
  std::ranges::sort(out, {}, [](const Object* set) {
    return std::tuple(set->meta.created.unix_ns, set->meta.ns + "/" + set->meta.name);
  });
  return out;
}

}  // namespace weft::control
