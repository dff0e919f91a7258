// A hand-written reader of command lines: the verbs need repeated options, words among options and exact
// messages, and little else.
#include "app/weft/cli.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "base/text.h"

namespace weft::app {

const Option kOutput{"output", 'o'};
const Option kNamespace{"namespace", 'n'};
const Option kAllNamespaces{"all-namespaces", 'A', false};
const Option kSocket{"socket"};
const Option kHelp{"help", 'h', false};

Result<CommandLine> CommandLine::parse(std::span<char* const> args,
                                       std::span<const Option> options) {
  CommandLine line;
  const auto unknown = [&](std::string_view arg) {
    std::vector<std::string_view> names;
    for (const Option& option : options) names.emplace_back(option.name);
    const auto near = nearest(arg.substr(arg.find_first_not_of('-')), names);
    return fail(ErrorKind::kInvalid,
                fmt::format("unknown option '{}'{}", arg,
                            near ? fmt::format(": did you mean --{}?", *near) : ""));
  };
  for (size_t i = 0; i < args.size(); ++i) {
    const std::string_view arg = args[i];
    if (arg == "--") {
      line.words_.insert(line.words_.end(), args.begin() + static_cast<ptrdiff_t>(i) + 1,
                         args.end());
      break;
    }
    if (!arg.starts_with('-') || arg == "-") {
      line.words_.emplace_back(arg);
      continue;
    }
    const bool is_long = arg.starts_with("--");
    const size_t equals = is_long ? arg.find('=') : std::string_view::npos;
    const std::string_view name = is_long ? arg.substr(2, equals - 2) : arg.substr(1, 1);
    const auto option = std::ranges::find_if(options, [&](const Option& o) {
      return is_long ? name == o.name : o.letter != 0 && name[0] == o.letter;
    });
    if (option == options.end()) return unknown(is_long ? arg.substr(0, equals) : arg);
    std::vector<std::string>& values = line.values_[option->name];
    const std::string_view attached = equals != std::string_view::npos ? arg.substr(equals + 1)
                                      : is_long                        ? ""
                                                                       : arg.substr(2);
    if (!option->takes_value) {
      if (!attached.empty()) {
        return fail(ErrorKind::kInvalid, fmt::format("--{} takes no value", option->name));
      }
      values.emplace_back();
    } else if (equals != std::string_view::npos || !attached.empty()) {
      values.emplace_back(attached);
    } else if (i + 1 < args.size()) {
      values.emplace_back(args[++i]);
    } else {
      return fail(ErrorKind::kInvalid, fmt::format("--{} needs a value", option->name));
    }
  }
  return line;
}

std::string CommandLine::value(std::string_view option, std::string_view otherwise) const {
  const auto it = values_.find(option);
  return it == values_.end() ? std::string(otherwise) : it->second.back();
}

std::vector<std::string> CommandLine::values(std::string_view option) const {
  const auto it = values_.find(option);
  return it == values_.end() ? std::vector<std::string>() : it->second;
}

Result<OutputForm> output_form(const CommandLine& line) {
  const std::string form = line.value("output", "table");
  if (form == "table") return OutputForm::kTable;
  if (form == "json") return OutputForm::kJson;
  if (form == "yaml") return OutputForm::kYaml;
  return fail(ErrorKind::kInvalid, fmt::format("--output is table, json or yaml, not '{}'", form));
}

int usage_error(std::string_view verb, std::string_view text) {
  fmt::print(stderr, "weft {}: {}\nSee: weft {} --help\n", verb, text, verb);
  return kExitUsage;
}

int report(std::string_view verb, const Error& error) {
  fmt::print(stderr, "weft {}: {}\n", verb, error.message());
  switch (error.kind()) {
    case ErrorKind::kUnavailable: return kExitUnreachable;
    case ErrorKind::kInvalid: return kExitUsage;
    default: return kExitFailed;
  }
}

int report(std::string_view verb, const ApiReply& reply) {
  if (const control::Node* errors = reply.body.find("errors")) {
    for (const control::Node& error : errors->items) fmt::print(stderr, "{}\n", error.text);
    const size_t count = errors->items.size();
    fmt::print(stderr, "weft {}: {} problem{}; nothing was applied\n", verb, count,
               count == 1 ? "" : "s");
    return kExitFailed;
  }
  const std::string_view why = reply.body.text_of("error");
  fmt::print(stderr, "weft {}: {}\n", verb,
             why.empty() ? fmt::format("the server answered with status {}", reply.status) : why);
  if (reply.status == 403) return kExitDenied;
  if (reply.status == 404) return kExitNotFound;
  return kExitFailed;
}

std::string path_step(std::string_view word) {
  static constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
  std::string out;
  for (const char c : word) {
    if (kPlain.find(c) != std::string_view::npos) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

void print(std::string_view text) { (void)std::fwrite(text.data(), 1, text.size(), stdout); }

void print_node(const control::Node& node, OutputForm form) {
  print(form == OutputForm::kYaml ? control::to_yaml(node) : control::to_json(node) + "\n");
}

}  // namespace weft::app
