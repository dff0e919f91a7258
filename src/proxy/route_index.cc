// A map of hosts, each with maps of exact paths and of prefixes. A request asks for its own host, for each
// wildcard above it and for "any"; in each for its path and for each prefix of it by element. So the cost is
// (labels of the host) × (elements of the path) × log(rules), and the best position wins whatever map it
// came from. Costs about 200 bytes a rule.
#include "proxy/route_index.h"

#include <algorithm>

#include "proxy/router.h"

namespace weft::proxy {
namespace {

std::string_view without_slash(std::string_view prefix) {
  while (prefix.ends_with('/')) prefix.remove_suffix(1);
  return prefix;
}

}  // namespace

struct RouteIndex::Search {
  const CompiledRules& rules;
  const RequestView& request;
  size_t best = kNone;
  size_t tried = 0;

  void positions(const Positions& list) {
    for (const uint32_t position : list) {
      if (position >= best) return;
      ++tried;
      if (rules[position]->matches(request)) best = position;
    }
  }
  void bucket(const std::map<std::string, Bucket, std::less<>>& paths, std::string_view path) {
    const auto found = paths.find(path);
    if (found == paths.end()) return;
    for (const std::string_view method : {request.method, std::string_view()}) {
      const auto list = found->second.find(method);
      if (list != found->second.end()) positions(list->second);
    }
  }
  void host(const Paths& paths) {
    const std::string_view path = path_of(request.target);
    bucket(paths.exact, path);
    for (size_t end = 0; end <= paths.longest_prefix && end < path.size(); ++end) {
      if (path[end] == '/') bucket(paths.prefixes, path.substr(0, end));
    }
    if (path.size() <= paths.longest_prefix) bucket(paths.prefixes, path);
    positions(paths.regexes);
  }
};

RouteIndex::RouteIndex(const CompiledRules& rules) {
  for (uint32_t i = 0; i < rules.size(); ++i) {
    const model::RouteMatch& match = rules[i]->rule().match;
    Paths& paths = hosts_[match.host];
    switch (match.path.kind) {
      case model::PathMatch::kExact:
        paths.exact[match.path.value][match.method].push_back(i);
        break;
      case model::PathMatch::kPrefix: {
        const std::string prefix(without_slash(match.path.value));
        paths.longest_prefix = std::max(paths.longest_prefix, prefix.size());
        paths.prefixes[prefix][match.method].push_back(i);
        break;
      }
      case model::PathMatch::kRegex: paths.regexes.push_back(i); break;
    }
  }
}

size_t RouteIndex::find(const CompiledRules& rules, const RequestView& request,
                        size_t* tried) const {
  Search search{rules, request};
  const auto host = [&](std::string_view name) {
    const auto found = hosts_.find(name);
    if (found != hosts_.end()) search.host(found->second);
  };
  host("");
  if (!request.host.empty() && (hosts_.size() > 1 || !hosts_.begin()->first.empty())) {
    host(request.host);
    for (size_t dot = request.host.find('.'); dot != std::string_view::npos;
         dot = request.host.find('.', dot + 1)) {
      host("*" + std::string(request.host.substr(dot)));
    }
  }
  if (tried) *tried = search.tried;
  return search.best;
}

}  // namespace weft::proxy
