// The reader's outside: limits and clean text first, then the parser.
// Weft reads YAML itself because a configuration must not be read as something else than was meant: the
// common C++ library takes unclosed quotes, names without a colon and misplaced text without a word.
#include "control/yaml.h"

#include <fmt/format.h>

#include <string>

#include "control/yaml_parser.h"
#include "control/yaml_scalar.h"

namespace weft::control {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// "\n" as the only line break, without a byte order mark.
std::string with_plain_breaks(std::string_view text) {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\r') {
      out += text[i];
    } else if (i + 1 >= text.size() || text[i + 1] != '\n') {
      out += '\n';
    }
  }
  return out;
}

}  // namespace

std::string Problem::to_string() const {
  std::string out = fmt::format("{}:{}:{}: ", file, at.line, at.column);
  if (!path.empty()) out += path + ": ";
  out += what;
  if (!hint.empty()) out += " (" + hint + ")";
  return out;
}

std::vector<Node> read_yaml(std::string_view file, std::string_view text, Problems& problems,
                            const YamlLimits& limits) {
  if (text.size() > limits.bytes) {
    problems.push_back({std::string(file),
                        {},
                        "",
                        fmt::format("{} bytes; at most {} are read", text.size(), limits.bytes),
                        "split the file"});
    return {};
  }
  if (auto dirt = find_unclean_text(text)) {
    problems.push_back({std::string(file), dirt->at, "", dirt->what, ""});
    return {};
  }
  const std::string plain = with_plain_breaks(text);
  YamlParser parser(plain, limits);
  std::vector<Node> documents = parser.documents();
  if (const YamlFailure& failure = parser.failure(); failure.failed) {
    problems.push_back({std::string(file), failure.at, "", failure.what, failure.hint});
    return {};
  }
  return documents;
}

}  // namespace weft::control
