// Which backend takes an opaque connection: the rules that TLSRoutes and TCPRoutes put on one port of a
// service, compiled once, when the service arrives. Pure decisions; immutable but for the turns of weighted
// backends, and shared between threads.
//
// Of the rules that concern a caller, those of a consumer route come first; among them a name beats a
// wildcard, a longer wildcard a shorter one ("*.example.com" takes a.example.com and b.a.example.com, not
// example.com), and of equals the first counts.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/service.h"
#include "steer/fault.h"
#include "steer/weights.h"

namespace weft::proxy {

class CompiledTcpRule {
 public:
  CompiledTcpRule(const model::TcpRule& rule, steer::RuleFaults faults)
      : rule_(rule), faults_(std::move(faults)), turns_(rule.backends) {}
  const model::TcpRule& rule() const { return rule_; }
  const steer::RuleFaults& faults() const { return faults_; }
  // The next backend by weight; null when the rule has none of positive weight.
  const model::Backend* next_backend(Random& random) const {
    return turns_.next(rule_.backends, random);
  }

 private:
  model::TcpRule rule_;
  steer::RuleFaults faults_;
  steer::Turns turns_;
};
using TcpRulePtr = std::shared_ptr<const CompiledTcpRule>;

class TcpRules {
 public:
  // An error: a fault's regular expression is none.
  static Result<TcpRules> compile(const std::vector<model::TcpRule>& rules);

  // Does any rule concern callers of this namespace? Then what none of them takes is refused.
  bool concern(std::string_view caller_namespace) const;
  // Do some of those look at the server name?
  bool by_name(std::string_view caller_namespace) const;

  // For a ClientHello that asks for `server_name` (lower case); null when no rule takes it.
  TcpRulePtr named(std::string_view caller_namespace, std::string_view server_name) const;
  // For whatever bytes: a TCPRoute's; null when there is none.
  TcpRulePtr any(std::string_view caller_namespace) const;

 private:
  struct Rules {  // for the callers of one namespace, or all
    std::unordered_map<std::string, TcpRulePtr> by_name;
    TcpRulePtr any;
  };
  const Rules* of(std::string_view callers) const;

  std::unordered_map<std::string, Rules> by_callers_;  // "" = all
};

}  // namespace weft::proxy
