// Stage names stand at the margin; whatever belongs to a stage is indented below it.
#include "app/weft/explain_text.h"

#include <fmt/format.h>

#include "app/weft/table.h"
#include "base/text.h"

namespace weft::app {
namespace {

using control::Node;

constexpr int kMargin = 15;
const std::string kIndent(kMargin, ' ');

std::string clean(std::string_view text) {
  std::string out;
  append_escaped(out, text);
  return out;
}

std::string line(std::string_view stage, std::string_view text) {
  return fmt::format("{:<{}}{}\n", stage, kMargin, clean(text));
}

const std::vector<Node>& items(const Node& node, std::string_view name) {
  static const std::vector<Node> kNone;
  const Node* list = node.find(name);
  return list ? list->items : kNone;
}

std::string step_text(const Node& step) {
  const std::string_view object = step.text_of("object");
  std::string out = line(step.text_of("stage"), object.empty() ? step.text_of("says") : object);
  if (!object.empty()) out += line("", step.text_of("says"));
  Table values({"VALUE", "IS", "SAID BY"});
  for (const Node& value : items(step, "values")) {
    values.add({std::string(value.text_of("name")), std::string(value.text_of("value")),
                std::string(value.text_of("origin"))});
  }
  if (!values.empty()) out += values.to_string(kIndent + "  ");
  for (const Node& note : items(step, "notes")) out += line("", "- " + note.text);
  return out;
}

std::string endpoints_text(const Node& explanation) {
  Table table({"INSTANCE", "OF", "ADDRESS", "ZONE", "SHARE", "IN HAND", "STATE"});
  for (const Node& one : items(explanation, "endpoints")) {
    const Node* active = one.find("active");
    const Node* percent = one.find("percent");
    const Node* candidate = one.find("candidate");
    table.add({std::string(one.text_of("workload")), std::string(one.text_of("service")),
               std::string(one.text_of("address")), std::string(one.text_of("zone")),
               candidate && candidate->number != 0 && percent ? percent->text + " %" : "",
               active ? active->text : "", std::string(one.text_of("state"))});
  }
  return table.empty() ? "" : table.to_string(kIndent + "  ");
}

}  // namespace

std::string explanation_text(const Node& explanation) {
  const Node* others = explanation.find("instances");
  const Node* generation = explanation.find("generation");
  std::string who =
      fmt::format("{}, weft-proxy {}, version {} of what it knows", explanation.text_of("instance"),
                  explanation.text_of("sidecarVersion"), generation ? generation->text : "?");
  if (others && others->number > 1)
    who += fmt::format(" (one of {} that could be asked)", others->number);
  std::string out = line("asked", who);
  const std::vector<Node>& steps = items(explanation, "steps");
  for (size_t i = 0; i < steps.size(); ++i) {
    out += step_text(steps[i]);
    const bool last_of_endpoints =
        steps[i].text_of("stage") == "endpoints" &&
        (i + 1 == steps.size() || steps[i + 1].text_of("stage") != "endpoints");
    if (last_of_endpoints) out += endpoints_text(explanation);
  }
  if (const Node* outcome = explanation.find("outcome"))
    out += line("so", outcome->text_of("says"));
  return out;
}

}  // namespace weft::app
