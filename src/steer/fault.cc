// A share is a whole number of millionths and a draw one number below a million, so 0 never and all always
// happens, whatever the randomness.
#include "steer/fault.h"

#include <algorithm>

namespace weft::steer {
namespace {

bool is_caller(std::string_view pattern, std::string_view caller) {
  if (!pattern.ends_with('*')) return pattern == caller;
  pattern.remove_suffix(1);
  return caller.starts_with(pattern);
}

bool hit(uint32_t share, Random& random) {
  return share > 0 && random.below(model::Fault::kAll) < share;
}

}  // namespace

Result<FaultRulePtr> FaultRule::compile(model::FaultPtr fault) {
  if (!fault) return FaultRulePtr();
  std::shared_ptr<FaultRule> rule(new FaultRule(std::move(fault)));
  for (const model::StringMatch& match : rule->fault_->headers) {
    rule->headers_.emplace_back();
    if (match.kind != model::StringMatch::kRegex) continue;
    auto regex =
        Regex::compile(match.value, "fault policy " + rule->fault_->policy + ": " + match.name);
    if (!regex) return std::unexpected(std::move(regex.error()));
    rule->headers_.back() = std::move(*regex);
  }
  return rule;
}

bool FaultRule::concerns(std::string_view caller, const wire::Fields* fields, WallTime now) const {
  if (now >= fault_->expires) return false;
  if (!fault_->callers.empty() &&
      std::ranges::none_of(fault_->callers,
                           [&](const std::string& named) { return is_caller(named, caller); })) {
    return false;
  }
  if (!fields) return fault_->headers.empty();
  for (size_t i = 0; i < headers_.size(); ++i) {
    const std::optional<std::string_view> value = fields->get(fault_->headers[i].name);
    if (!value) return false;
    const std::optional<Regex>& regex = headers_[i];
    if (regex ? !regex->matches(*value) : *value != fault_->headers[i].value) return false;
  }
  return true;
}

Result<RuleFaults> RuleFaults::compile(model::FaultPtr own, model::FaultPtr route) {
  auto narrow = FaultRule::compile(std::move(own));
  if (!narrow) return std::unexpected(std::move(narrow.error()));
  auto wide = FaultRule::compile(std::move(route));
  if (!wide) return std::unexpected(std::move(wide.error()));
  return RuleFaults{std::move(*narrow), std::move(*wide)};
}

FaultRulePtr in_force(const RuleFaults* rule, const FaultRulePtr& service, WallTime now) {
  const FaultRulePtr none;
  const FaultRulePtr* const all[] = {rule ? &rule->own : &none, rule ? &rule->route : &none,
                                     &service};
  for (const FaultRulePtr* fault : all) {
    if (*fault && now < (*fault)->fault().expires) return *fault;
  }
  for (const FaultRulePtr* fault : all) {
    if (*fault) return *fault;
  }
  return nullptr;
}

Injection draw_fault(const FaultRulePtr& rule, std::string_view caller, const wire::Fields* fields,
                     WallTime now, Random& random) {
  if (!rule || !rule->concerns(caller, fields, now)) return {};
  const model::Fault& fault = rule->fault();
  Injection injection;
  if (hit(fault.delay_share, random)) injection.delay = fault.delay;
  injection.abort = hit(fault.abort_share, random) && (fields || fault.abort_reset);
  if (injection.delay.ns > 0 || injection.abort) injection.rule = rule;
  return injection;
}

}  // namespace weft::steer
