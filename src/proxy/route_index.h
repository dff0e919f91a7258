// Finds the rule for a request among many. Rules keep the order they were given in, which is their
// precedence; the index narrows them to those whose host, path, method and callers may match, in a time
// that grows with the logarithm of their number. Headers, queries and regular expressions are then tried
// in order; the control plane bounds how many of those there are in one place.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "model/service.h"

namespace weft::proxy {

class CompiledRule;
struct RequestView;
using CompiledRules = std::vector<std::shared_ptr<const CompiledRule>>;

// Where a rule stands: hashes, made once when the rule is compiled. Equal places have equal hashes, and
// the rule itself has the last word.
struct RoutePlace {
  uint64_t scope = 0;  // host and callers
  uint64_t key = 0;    // scope, path and method
  uint32_t path_bytes = 0;
  bool by_host = false, by_wildcard = false, by_caller = false;

  static RoutePlace of(const model::RouteRule& rule);
};

class RouteIndex {
 public:
  // `rules` outlive the index and stay where they are.
  explicit RouteIndex(const CompiledRules& rules);

  static constexpr size_t kNone = SIZE_MAX;
  // What a search cost: comparisons of keys, and rules looked at whole.
  struct Effort {
    size_t compared = 0;
    size_t tried = 0;
  };
  // The position of the first rule that matches, or kNone.
  size_t find(const CompiledRules& rules, const RequestView& request,
              Effort* effort = nullptr) const;

 private:
  struct Entry {
    uint64_t key;
    uint32_t position;
    friend auto operator<=>(const Entry&, const Entry&) = default;
  };
  struct Search;

  void leave_out_hidden(const CompiledRules& rules);

  std::vector<Entry> entries_;    // ascending
  std::vector<uint64_t> scopes_;  // of the rules, ascending
  size_t longest_path_ = 0;
  bool by_host_ = false, by_wildcard_ = false, by_caller_ = false;
};

}  // namespace weft::proxy
