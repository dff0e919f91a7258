// One function per type of field, all collecting into the same list: a problem in one field never hides
// another. The canonical tree is built on the way, so there is no second walk that could disagree.
#include "control/decode.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "base/text.h"

namespace weft::control {
namespace {

class Checker {
 public:
  Checker(std::string_view file, Problems& problems, Problems* held)
      : file_(file), problems_(problems), held_(held) {}

  // What the rules found; complete when object() is back.
  Problems take_deeper() { return std::move(deeper_); }

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
      if (!find_field(schema, entry.name)) unknown(schema, node, entry, path);
    }
    for (const Field& field : schema.fields) one_field(schema, field, node, path, out);
    run(schema.rules, out, path);
    return out;
  }

 private:
  void report(Position at, const std::string& path, std::string what, std::string hint = "") {
    problems_.push_back({std::string(file_), at, path, std::move(what), std::move(hint)});
  }

  void run(std::span<const Rule> rules, const Node& value, const std::string& path) {
    const Report report(file_, path, deeper_);
    for (const Rule& rule : rules) rule.check(value, report);
  }

  // What stands for an object that is not there, so that every canonical tree has its required fields.
  static Node placeholder(const Schema& schema, Position at) {
    Problems unheard;
    return Checker("", unheard, &unheard).object(schema, Node::map(at), "");
  }
  static Node placeholder(const Field& field, Position at) {
    switch (field.type) {
      case FieldType::kObject: return placeholder(*field.object, at);
      case FieldType::kObjectList:
      case FieldType::kStringList:
      case FieldType::kEnumList:
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

  void unknown(const Schema& schema, const Node& parent, const Node::Entry& entry,
               const std::string& path) {
    // Of a `type` that does not exist here: that is told already.
    const Field* type = find_field(schema, "type");
    const std::string_view said = parent.text_of("type");
    const auto has = [&](std::span<const char* const> set) {
      return std::ranges::any_of(set, [&](std::string_view v) { return v == said; });
    };
    if (type && type->type == FieldType::kEnum && equals_ignoring_case(entry.name, said) &&
        !has(type->values) && !has(type->unsupported_values)) {
      return;
    }
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
      const char* otherwise = field.default_when ? field.default_when(parent) : nullptr;
      if (!otherwise) otherwise = field.default_value;
      if (otherwise) out.add(field.name, default_of(field, otherwise, parent.at, here));
      return;
    }
    if (field.type == FieldType::kIgnored) return;
    if (field.unsupported) {
      hold(value->at, here, "not supported yet", field.unsupported);
      if (!held_) return;
    }
    Node& added = out.add(field.name, typed(field, *value, here));
    run(field.rules, added, here);
  }

  // What is valid but not carried out.
  void hold(Position at, const std::string& path, std::string what, std::string hint) {
    if (!held_) return report(at, path, std::move(what), std::move(hint));
    held_->push_back({std::string(file_), at, path, std::move(what), std::move(hint)});
  }

  // A default is read like a value: a map among defaults gets its own defaults.
  Node default_of(const Field& field, const char* text, Position at, const std::string& path) {
    Problems none;
    std::vector<Node> parsed = read_yaml("default", text, none);
    if (parsed.empty()) return placeholder(field, at);
    place(parsed.front(), at);
    return typed(field, parsed.front(), path);
  }

  static void place(Node& node, Position at) {
    node.at = at;
    for (Node& item : node.items) place(item, at);
    for (Node::Entry& entry : node.entries) {
      entry.at = at;
      place(entry.value, at);
    }
  }

  Node typed(const Field& field, const Node& value, const std::string& path) {
    switch (field.type) {
      case FieldType::kString: text(field, field.format, value, path); return value;
      case FieldType::kInteger: integer(field, value, path); return value;
      case FieldType::kDecimal: decimal(field, value, path); return value;
      case FieldType::kBoolean:
        if (!value.is(Node::Kind::kBoolean)) {
          report(value.at, path, fmt::format("must be true or false, not {}", describe(value)));
        }
        return value;
      case FieldType::kEnum: {
        // What a wrong value would ask of other fields is nobody's concern.
        const size_t before = problems_.size();
        enumeration(field, value, path);
        return problems_.size() == before ? value : Node::string("", value.at);
      }
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
    } else if (!field.values.empty()) {
      if (std::ranges::find(field.values, value.text, [](const char* v) {
            return std::string_view(v);
          }) != field.values.end()) {
        return;
      }
      std::string allowed;
      for (const char* v : field.values) allowed += (allowed.empty() ? "" : ", ") + std::string(v);
      report(value.at, path, describe(value) + " is not allowed here", "allowed: " + allowed);
    } else if (value.number < field.min || value.number > field.max) {
      report(value.at, path,
             fmt::format("{} is out of range: {} to {}", value.number, field.min, field.max));
    }
  }

  void decimal(const Field& field, const Node& value, const std::string& path) {
    const std::string expected =
        fmt::format("must be a number from {} to {} with at most {} decimals", field.min, field.max,
                    field.decimals);
    if (!value.is(Node::Kind::kInteger) && !value.is(Node::Kind::kFloat)) {
      const bool quoted =
          value.is(Node::Kind::kString) && scaled_decimal(value.text, field.decimals);
      report(value.at, path, fmt::format("{}, not {}", expected, describe(value)),
             quoted ? "write it without quotes" : "");
      return;
    }
    const auto scaled = scaled_decimal(value.text, field.decimals);
    int64_t one = 1;
    for (int i = 0; i < field.decimals; ++i) one *= 10;
    if (!scaled || *scaled < field.min * one || *scaled > field.max * one) {
      report(value.at, path, fmt::format("{}, not {}", expected, describe(value)));
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
    // Limits count characters.
    const auto size = static_cast<int64_t>(std::ranges::count_if(
        value.text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
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
      hold(value.at, path, fmt::format("'{}' is not supported yet", value.text),
           fmt::format("{}supported: {}",
                       field.unsupported_why ? fmt::format("{}; ", field.unsupported_why) : "",
                       allowed));
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
    if (const auto size = static_cast<int64_t>(value.entries.size());
        field.max > 0 && size > field.max) {
      report(value.at, path, fmt::format("{} entries: at most {}", size, field.max));
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
    if (!field.keys.empty()) each_key_once(field, out, path);
    if (field.distinct) each_item_once(out, path);
    return out;
  }

  void each_item_once(const Node& list, const std::string& path) {
    for (size_t i = 1; i < list.items.size(); ++i) {
      const auto end = list.items.begin() + static_cast<ptrdiff_t>(i);
      if (std::find_if(list.items.begin(), end, [&](const Node& before) {
            return before.text == list.items[i].text;
          }) == end) {
        continue;
      }
      report(list.items[i].at, fmt::format("{}[{}]", path, i),
             fmt::format("'{}' is there twice", list.items[i].text), "each once");
    }
  }

  void each_key_once(const Field& field, const Node& list, const std::string& path) {
    const auto same = [&](const Node& a, const Node& b) {
      return std::ranges::all_of(field.keys, [&](const char* key) {
        const Node *x = a.find(key), *y = b.find(key);
        return x && y && x->text == y->text;
      });
    };
    for (size_t i = 1; i < list.items.size(); ++i) {
      for (size_t j = 0; j < i; ++j) {
        if (!same(list.items[i], list.items[j])) continue;
        const char* key = field.keys.front();
        const Node& value = *list.items[i].find(key);
        report(value.at, fmt::format("{}[{}].{}", path, i, key),
               fmt::format("'{}' is {}[{}] already", value.text, field.name, j), "each once");
        break;
      }
    }
  }

  Node item(const Field& field, const Node& value, const std::string& path) {
    if (field.type == FieldType::kObjectList) return object(*field.object, value, path);
    if (field.type == FieldType::kIntegerList) {
      integer(field, value, path);
    } else if (field.type == FieldType::kEnumList) {
      enumeration(field, value, path);
    } else {
      text(Field{field.name, FieldType::kString, ""}, field.format, value, path);
    }
    return value;
  }

  std::string_view file_;
  Problems& problems_;
  Problems* held_;
  Problems deeper_;
};

// Is one path the other, or above it?
bool same_spot(std::string_view a, std::string_view b) {
  if (a.size() > b.size()) std::swap(a, b);
  return b.starts_with(a) && (a.size() == b.size() || b[a.size()] == '.' || b[a.size()] == '[');
}

}  // namespace

Node check(const Schema& schema, const Node& node, std::string_view file, const std::string& path,
           Problems& problems, Problems* held) {
  const size_t first = problems.size();
  Checker checker(file, problems, held);
  Node canonical = checker.object(schema, node, path);
  append_deeper(checker.take_deeper(), first, problems);
  return canonical;
}

void Report::operator()(Position at, std::string_view below, std::string what,
                        std::string hint) const {
  std::string path(path_);
  if (!below.empty() && below.front() != '[' && !path.empty()) path += '.';
  path += below;
  problems_.push_back({std::string(file_), at, std::move(path), std::move(what), std::move(hint)});
}

void append_deeper(Problems deeper, size_t first, Problems& problems) {
  std::erase_if(deeper, [&](const Problem& p) {
    return std::any_of(problems.begin() + static_cast<ptrdiff_t>(first), problems.end(),
                       [&](const Problem& s) { return same_spot(s.path, p.path); });
  });
  std::ranges::move(deeper, std::back_inserter(problems));
}

std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates) {
  if (word.empty() || word.size() > 64) return "";  // the comparison is quadratic in the word
  const auto best = nearest(word, candidates);
  return best && !best->empty() ? fmt::format("did you mean '{}'?", *best) : "";
}

}  // namespace weft::control
