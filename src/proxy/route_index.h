// Finds the rule for a request among many. Rules keep the order they were given in, which is their
// precedence; the index narrows them to those whose host, path and method may match, in a time that grows
// with the logarithm of their number. Headers, queries and regular expressions are then tried in order.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace weft::proxy {

class CompiledRule;
struct RequestView;
using CompiledRules = std::vector<std::shared_ptr<const CompiledRule>>;

class RouteIndex {
 public:
  // `rules` outlive the index and stay where they are.
  explicit RouteIndex(const CompiledRules& rules);

  static constexpr size_t kNone = SIZE_MAX;
  // The position of the first rule that matches, or kNone. `tried` counts the rules looked at whole.
  size_t find(const CompiledRules& rules, const RequestView& request,
              size_t* tried = nullptr) const;

 private:
  using Positions = std::vector<uint32_t>;  // ascending
  // Rules for one path, by method; "" = any.
  using Bucket = std::map<std::string, Positions, std::less<>>;
  struct Paths {
    std::map<std::string, Bucket, std::less<>> exact;
    std::map<std::string, Bucket, std::less<>> prefixes;  // without the trailing slash
    Positions regexes;
    size_t longest_prefix = 0;
  };
  struct Search;

  std::map<std::string, Paths, std::less<>> hosts_;  // "" = any, "*.example.com"
};

}  // namespace weft::proxy
