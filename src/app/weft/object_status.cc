// Three lists stand in the status of Gateway API's kinds: `parents` of routes, `ancestors` of policies, `listeners`
// of Gateways; besides the conditions of the object itself. One walk over all of them serves every kind.
#include "app/weft/object_status.h"

#include <fmt/format.h>

namespace weft::app {
namespace {

using control::Node;

// "Service cart.shop:80", "HTTPRoute cart.shop/rule", "Gateway edge.shop/https"
std::string reference(const Node* ref) {
  if (!ref) return "";
  const Node* port = ref->find("port");
  const std::string_view ns = ref->text_of("namespace"), section = ref->text_of("sectionName");
  return fmt::format("{} {}{}{}{}{}{}{}", ref->text_of("kind"), ref->text_of("name"),
                     ns.empty() ? "" : ".", ns, port ? ":" : "", port ? port->text : "",
                     section.empty() ? "" : "/", section);
}

}  // namespace

void each_condition(const Node& object,
                    const std::function<void(std::string_view, const Node&)>& see) {
  const Node* status = object.find("status");
  if (!status) return;
  const auto all_of = [&](const Node& holder, const std::string& of) {
    if (const Node* list = holder.find("conditions")) {
      for (const Node& one : list->items) see(of, one);
    }
  };
  all_of(*status, "");
  if (const Node* parents = status->find("parents")) {
    for (const Node& one : parents->items) all_of(one, reference(one.find("parentRef")));
  }
  if (const Node* ancestors = status->find("ancestors")) {
    for (const Node& one : ancestors->items) all_of(one, reference(one.find("ancestorRef")));
  }
  if (const Node* listeners = status->find("listeners")) {
    for (const Node& one : listeners->items)
      all_of(one, fmt::format("listener {}", one.text_of("name")));
  }
}

bool is_well(const Node& condition) {
  return condition.text_of("status") ==
         (condition.text_of("type") == "Conflicted" ? "False" : "True");
}

Table conditions_table(const Node& object) {
  Table table({"OF", "CONDITION", "HOLDS", "REASON", "MESSAGE"});
  each_condition(object, [&](std::string_view of, const Node& one) {
    std::vector<std::string> row{std::string(of)};
    for (const char* name : {"type", "status", "reason", "message"}) {
      row.emplace_back(one.text_of(name));
    }
    table.add(std::move(row));
  });
  return table;
}

}  // namespace weft::app
