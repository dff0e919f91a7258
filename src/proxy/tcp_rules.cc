// One look into a table for the name itself and one for each of its parent domains: a name of five labels
// costs five, whatever the number of routes.
#include "proxy/tcp_rules.h"

namespace weft::proxy {

Result<TcpRules> TcpRules::compile(const std::vector<model::TcpRule>& rules) {
  TcpRules compiled;
  for (const model::TcpRule& rule : rules) {
    auto faults = steer::RuleFaults::compile(rule.fault, rule.route_fault);
    if (!faults) return std::unexpected(std::move(faults.error()));
    auto made = std::make_shared<const CompiledTcpRule>(rule, std::move(*faults));
    Rules& of_callers = compiled.by_callers_[rule.consumer_namespace];
    for (const std::string& name : rule.hostnames) of_callers.by_name.try_emplace(name, made);
    if (rule.hostnames.empty() && !of_callers.any) of_callers.any = std::move(made);
  }
  return compiled;
}

const TcpRules::Rules* TcpRules::of(std::string_view callers) const {
  const auto it = by_callers_.find(std::string(callers));
  return it == by_callers_.end() ? nullptr : &it->second;
}

bool TcpRules::concern(std::string_view caller_namespace) const {
  return !by_callers_.empty() && (of(caller_namespace) || of(""));
}

bool TcpRules::by_name(std::string_view caller_namespace) const {
  if (by_callers_.empty()) return false;
  for (const Rules* rules : {of(caller_namespace), of("")}) {
    if (rules && !rules->by_name.empty()) return true;
  }
  return false;
}

TcpRulePtr TcpRules::named(std::string_view caller_namespace, std::string_view server_name) const {
  for (const Rules* rules : {of(caller_namespace), of("")}) {
    if (!rules) continue;
    if (const auto it = rules->by_name.find(std::string(server_name)); it != rules->by_name.end()) {
      return it->second;
    }
    for (size_t dot = server_name.find('.'); dot != std::string_view::npos;
         dot = server_name.find('.', dot + 1)) {
      if (dot == 0) continue;  // nothing stands where the wildcard does
      const auto it = rules->by_name.find("*" + std::string(server_name.substr(dot)));
      if (it != rules->by_name.end()) return it->second;
    }
  }
  return nullptr;
}

TcpRulePtr TcpRules::any(std::string_view caller_namespace) const {
  for (const Rules* rules : {of(caller_namespace), of("")}) {
    if (rules && rules->any) return rules->any;
  }
  return nullptr;
}

}  // namespace weft::proxy
