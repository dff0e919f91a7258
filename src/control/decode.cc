// One function per type of field, all collecting into the same list: a problem in one field never hides
// another. The canonical tree is built on the way, so there is no second walk that could disagree.
#include "control/decode.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/text.h"

namespace weft::control {
namespace {

class Checker {
 public:
  Checker(std::string_view file, Problems& problems) : file_(file), problems_(problems) {}

  Node object(const Schema& schema, const Node& node, const std::string& path) {
    if (!node.is(Node::Kind::kMap)) {
      report(
          node.at, path,
          fmt::format("must be a map with the fields of {}, not {}", schema.name, describe(node)),
          "fields: " + field_list(schema));
      return placeholder(schema, node.at);
    }
    Node out = Node::map(node.at);
    for (const Node::Entry& entry : node.entries) {
      if (!find_field(schema, entry.name)) unknown(schema, entry, path);
    }
    for (const Field& field : schema.fields) one_field(schema, field, node, path, out);
    return out;
  }

 private:
  void report(Position at, const std::string& path, std::string what, std::string hint = "") {
    problems_.push_back({std::string(file_), at, path, std::move(what), std::move(hint)});
  }

  // What stands for an object that is not there, so that every canonical tree has its required fields.
  static Node placeholder(const Schema& schema, Position at) {
    Problems unheard;
    return Checker("", unheard).object(schema, Node::map(at), "");
  }
  static Node placeholder(const Field& field, Position at) {
    switch (field.type) {
      case FieldType::kObject: return placeholder(*field.object, at);
      case FieldType::kObjectList:
      case FieldType::kStringList:
      case FieldType::kIntegerList: return Node::list(at);
      case FieldType::kStringMap: return Node::map(at);
      default: return Node::string("", at);
    }
  }

  static std::string join(const std::string& path, std::string_view name) {
    return path.empty() ? std::string(name) : path + "." + std::string(name);
  }

  static const Field* find_field(const Schema& schema, std::string_view name) {
    const auto it = std::ranges::find(schema.fields, name,
                                      [](const Field& f) { return std::string_view(f.name); });
    return it == schema.fields.end() ? nullptr : &*it;
  }

  static std::string field_list(const Schema& schema) {
    std::string out;
    for (const Field& field : schema.fields) {
      if (field.unsupported || field.type == FieldType::kIgnored) continue;
      out += (out.empty() ? "" : ", ") + std::string(field.name);
    }
    return out;
  }

  void unknown(const Schema& schema, const Node::Entry& entry, const std::string& path) {
    std::vector<std::string_view> names;
    for (const Field& field : schema.fields) {
      if (!field.unsupported) names.emplace_back(field.name);
    }
    std::string hint = did_you_mean(entry.name, names);
    // Right name, wrong level: a frequent slip of indentation.
    for (const Field& field : schema.fields) {
      if (!hint.empty() || !field.object || !find_field(*field.object, entry.name)) continue;
      const bool list = field.type == FieldType::kObjectList;
      hint = fmt::format("'{}' belongs under {}{}", entry.name, field.name, list ? "[]" : "");
    }
    if (hint.empty()) hint = fmt::format("fields of {}: {}", schema.name, field_list(schema));
    report(entry.at, join(path, entry.name), "unknown field", std::move(hint));
  }

  void one_field(const Schema& schema, const Field& field, const Node& parent,
                 const std::string& path, Node& out) {
    const Node* value = parent.find(field.name);
    const std::string here = join(path, field.name);
    // `field:` with nothing behind it is the same as leaving it out, as kubectl has it.
    if (!value || value->is(Node::Kind::kNull)) {
      if (field.required) {
        report(value ? value->at : parent.at, here, fmt::format("required by {}", schema.name),
               field.format ? fmt::format("for example {}", field.format->example)
                            : std::string(field.description));
        out.add(field.name, placeholder(field, parent.at));
      }
      if (field.default_value) add_default(field, parent.at, out);
      return;
    }
    if (field.type == FieldType::kIgnored) return;
    if (field.unsupported) {
      report(value->at, here, "not supported yet", field.unsupported);
      return;
    }
    out.add(field.name, typed(field, *value, here));
  }

  static void add_default(const Field& field, Position at, Node& out) {
    Problems none;
    std::vector<Node> parsed = read_yaml("default", field.default_value, none);
    if (parsed.empty()) return;
    parsed.front().at = at;
    out.add(field.name, std::move(parsed.front()));
  }

  Node typed(const Field& field, const Node& value, const std::string& path) {
    switch (field.type) {
      case FieldType::kString: text(field, field.format, value, path); return value;
      case FieldType::kInteger: integer(field, value, path); return value;
      case FieldType::kBoolean:
        if (!value.is(Node::Kind::kBoolean)) {
          report(value.at, path, fmt::format("must be true or false, not {}", describe(value)));
        }
        return value;
      case FieldType::kEnum: enumeration(field, value, path); return value;
      case FieldType::kIntegerOrName:
        if (value.is(Node::Kind::kInteger)) {
          integer(field, value, path);
        } else {
          text(field, field.format, value, path);
        }
        return value;
      case FieldType::kObject: return object(*field.object, value, path);
      case FieldType::kStringMap: string_map(field, value, path); return value;
      default: return list(field, value, path);
    }
  }

  void integer(const Field& field, const Node& value, const std::string& path) {
    if (!value.is(Node::Kind::kInteger)) {
      report(value.at, path,
             fmt::format("must be a whole number from {} to {}, not {}", field.min, field.max,
                         describe(value)),
             value.is(Node::Kind::kString) && numeric(value.text) ? "write it without quotes" : "");
    } else if (value.number < field.min || value.number > field.max) {
      report(value.at, path,
             fmt::format("{} is out of range: {} to {}", value.number, field.min, field.max));
    }
  }

  static bool numeric(const std::string& text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
  }

  void text(const Field& field, const Format* format, const Node& value, const std::string& path) {
    if (!value.is(Node::Kind::kString)) {
      const bool scalar = value.is(Node::Kind::kBoolean) || value.is(Node::Kind::kInteger) ||
                          value.is(Node::Kind::kFloat);
      report(value.at, path, fmt::format("must be text, not {}", describe(value)),
             scalar ? fmt::format("put it in quotes: \"{}\"", value.text) : "");
      return;
    }
    const auto size = static_cast<int64_t>(value.text.size());
    if (size < field.min) {
      report(value.at, path, "must not be empty",
             format ? fmt::format("for example {}", format->example) : "");
    } else if (field.max > 0 && size > field.max && field.type != FieldType::kIntegerOrName) {
      report(value.at, path, fmt::format("{} characters long: at most {}", size, field.max));
    } else if (format && !format->matches(value.text)) {
      report(value.at, path, fmt::format("{} is not {}", describe(value), format->expected),
             fmt::format("for example {}", format->example));
    }
  }

  void enumeration(const Field& field, const Node& value, const std::string& path) {
    const auto has = [&](std::span<const char* const> set) {
      return std::ranges::any_of(set, [&](std::string_view v) { return v == value.text; });
    };
    if (value.is(Node::Kind::kString) && has(field.values)) return;
    std::string allowed;
    std::vector<std::string_view> names;
    for (const char* v : field.values) {
      allowed += (allowed.empty() ? "" : ", ") + (*v ? std::string(v) : "\"\"");
      names.emplace_back(v);
    }
    if (value.is(Node::Kind::kString) && has(field.unsupported_values)) {
      report(value.at, path, fmt::format("'{}' is not supported yet", value.text),
             "supported: " + allowed);
      return;
    }
    std::string hint = did_you_mean(value.text, names);
    hint += (hint.empty() ? "" : " ") + ("allowed: " + allowed);
    report(value.at, path, describe(value) + " is not allowed here", std::move(hint));
  }

  void string_map(const Field& field, const Node& value, const std::string& path) {
    if (!value.is(Node::Kind::kMap)) {
      report(value.at, path,
             fmt::format("must be a map of names to texts, not {}", describe(value)));
      return;
    }
    for (const Node::Entry& entry : value.entries) {
      if (field.key_format && !field.key_format->matches(entry.name)) {
        report(entry.at, path,
               fmt::format("the name '{}' is not {}", entry.name, field.key_format->expected),
               fmt::format("for example {}", field.key_format->example));
      }
      text(Field{field.name, FieldType::kString, ""}, field.format, entry.value,
           join(path, entry.name));
    }
  }

  Node list(const Field& field, const Node& value, const std::string& path) {
    Node out = Node::list(value.at);
    if (!value.is(Node::Kind::kList)) {
      report(value.at, path, fmt::format("must be a list, not {}", describe(value)),
             value.is(Node::Kind::kMap) ? "begin each item with '- '" : "");
      return out;
    }
    const auto size = static_cast<int64_t>(value.items.size());
    const bool numbers = field.type == FieldType::kIntegerList;
    if (!numbers && size < field.min) {
      report(value.at, path,
             fmt::format("needs at least {} item{}", field.min, field.min == 1 ? "" : "s"));
    }
    if (!numbers && field.max > 0 && size > field.max) {
      report(value.at, path, fmt::format("{} items: at most {}", size, field.max));
    }
    for (size_t i = 0; i < value.items.size(); ++i) {
      out.items.push_back(item(field, value.items[i], fmt::format("{}[{}]", path, i)));
    }
    return out;
  }

  Node item(const Field& field, const Node& value, const std::string& path) {
    if (field.type == FieldType::kObjectList) return object(*field.object, value, path);
    if (field.type == FieldType::kIntegerList) {
      integer(field, value, path);
    } else {
      text(Field{field.name, FieldType::kString, ""}, field.format, value, path);
    }
    return value;
  }

  std::string_view file_;
  Problems& problems_;
};

}  // namespace

Node check(const Schema& schema, const Node& node, std::string_view file, const std::string& path,
           Problems& problems) {
  return Checker(file, problems).object(schema, node, path);
}

std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates) {
  if (word.empty() || word.size() > 64) return "";  // the comparison is quadratic in the word
  const auto best = nearest(word, candidates);
  return best && !best->empty() ? fmt::format("did you mean '{}'?", *best) : "";
}

}  // namespace weft::control
