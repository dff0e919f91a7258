// One walk over a kind's table, in the order of the table. Fields of nested objects are listed by path, so
// that a page can be searched for what stands in a file.
#include "control/reference.h"

#include <fmt/format.h>

#include "base/text.h"

namespace weft::control {
namespace {

std::string joined(std::span<const char* const> values) {
  std::string out;
  for (const char* value : values) out += fmt::format("{}`{}`", out.empty() ? "" : ", ", value);
  return out;
}

std::string limits(const Field& field, const char* what) {
  if (field.max > 0 && field.min > 0)
    return fmt::format(", {} to {} {}", field.min, field.max, what);
  if (field.max > 0) return fmt::format(", at most {} {}", field.max, what);
  if (field.min > 0) return fmt::format(", at least {} {}", field.min, what);
  return "";
}

std::string type_of(const Field& field) {
  const std::string format = field.format ? fmt::format(" ({})", field.format->expected) : "";
  switch (field.type) {
    case FieldType::kString: return "text" + format + limits(field, "characters");
    case FieldType::kInteger:
      if (!field.values.empty()) return "one of " + joined(field.values);
      return fmt::format("number, {} to {}", field.min, field.max);
    case FieldType::kDecimal:
      return fmt::format("number with at most {} decimals, {} to {}", field.decimals, field.min,
                         field.max);
    case FieldType::kBoolean: return "true or false";
    case FieldType::kEnum: return "one of " + joined(field.values);
    case FieldType::kIntegerOrName:
      return fmt::format("number, {} to {}, or text{}", field.min, field.max, format);
    case FieldType::kObject: return "map";
    case FieldType::kObjectList: return "list of maps" + limits(field, "items");
    case FieldType::kStringList: return "list of texts" + format + limits(field, "items");
    case FieldType::kIntegerList:
      return fmt::format("list of numbers, {} to {}", field.min, field.max);
    case FieldType::kStringMap: return "map of texts" + limits(field, "entries");
    case FieldType::kEnumList:
      return fmt::format("list of {}{}", joined(field.values), limits(field, "items"));
    case FieldType::kIgnored: return "set by the server";
  }
  return "";
}

// A table's cell: bars would end it.
std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == '|' ? std::string("\\|") : std::string(1, c);
  return out;
}

class Page {
 public:
  explicit Page(const Kind& kind) : kind_(kind) {}

  std::string text() {
    walk(*kind_.schema, "");
    std::string out = fmt::format(
        "# {}\n\n<!-- Made by `weft reference`: change the tables in src/control instead. "
        "-->\n\n{}\n\n"
        "`apiVersion: {}`, {}. Also called: {}.\n",
        kind_.kind, kind_.schema->description, kind_.api_version,
        kind_.namespaced ? "in a namespace" : "without a namespace", joined(kind_.aliases));
    if (!kind_.other_versions.empty()) {
      out += fmt::format("Read as well: {}.\n", joined(kind_.other_versions));
    }
    out +=
        "\n## Fields\n\n| field | type | default | unit | origin | meaning "
        "|\n|---|---|---|---|---|---|\n";
    out += fields_;
    if (!rules_.empty()) out += "\n## Rules between fields\n\n" + rules_;
    if (!held_.empty()) {
      out += fmt::format(
          "\n## Not carried out\n\n{}\n\n{}",
          kind_.holds_unsupported
              ? "Valid and stored; an object that uses one of these is not in force, and "
                "its status says `Accepted=False`, reason `UnsupportedValue`."
              : "Refused with these words.",
          held_);
    }
    return out + "\n## Example\n\n```yaml\n" + std::string(reference_example(kind_.kind)) + "```\n";
  }

 private:
  void rules(std::span<const Rule> rules, const std::string& path) {
    for (const Rule& rule : rules) rules_ += fmt::format("- `{}`: {}\n", path, rule.statement);
  }

  void held(const Field& field, const std::string& path) {
    if (field.unsupported) held_ += fmt::format("- `{}`: {}\n", path, field.unsupported);
    if (!field.unsupported_values.empty()) {
      held_ += fmt::format("- `{}`: values {}{}\n", path, joined(field.unsupported_values),
                           field.unsupported_why ? fmt::format(": {}", field.unsupported_why) : "");
    }
  }

  void walk(const Schema& schema, const std::string& prefix) {
    if (!schema.rules.empty()) rules(schema.rules, prefix.empty() ? "." : prefix);
    for (const Field& field : schema.fields) {
      const std::string path = prefix.empty() ? field.name : prefix + "." + field.name;
      const std::string origin =
          fmt::format("{}{}", kind_.origin, field.experimental ? ", experimental" : "");
      fields_ +=
          fmt::format("| `{}`{} | {} | {} | {} | {} | {} |\n", path,
                      field.required ? " (required)" : "", cell(type_of(field)),
                      field.default_value ? fmt::format("`{}`", cell(field.default_value)) : "",
                      field.unit ? field.unit : "", origin, cell(field.description));
      rules(field.rules, path);
      if (!field.keys.empty()) {
        rules_ += fmt::format("- `{}`: no two items agree in {}.\n", path, joined(field.keys));
      }
      if (field.distinct) rules_ += fmt::format("- `{}`: each item once.\n", path);
      held(field, path);
      if (field.object)
        walk(*field.object, field.type == FieldType::kObjectList ? path + "[]" : path);
    }
  }

  const Kind& kind_;
  std::string fields_, rules_, held_;
};

}  // namespace

std::string reference_page(const Kind& kind) { return Page(kind).text(); }

std::string reference_file(const Kind& kind) { return to_lower(kind.kind) + ".md"; }

}  // namespace weft::control
