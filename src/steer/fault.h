// What a FaultPolicy breaks of one request or connection (model/policy.h). Delay and abort are drawn apart:
// of 50 % and 50 % a quarter suffers both, first the delay. A decision is made once for a request, before any
// of its tries; it holds for all of them.
//
// Pure: time and randomness are arguments. Immutable, shared between threads.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "base/time.h"
#include "model/policy.h"
#include "steer/regex.h"
#include "wire/message.h"

namespace weft::steer {

class FaultRule;
using FaultRulePtr = std::shared_ptr<const FaultRule>;

struct Injection {
  FaultRulePtr rule;  // whose; null: nothing is broken
  Duration delay{};   // 0 = none
  bool abort = false;
  explicit operator bool() const { return rule != nullptr; }
};

class FaultRule {
 public:
  // Null stays null. An error: a regular expression that is none.
  static Result<FaultRulePtr> compile(model::FaultPtr fault);

  // Does it concern this caller's request at this moment? `fields` as the app wrote them; null for an opaque
  // connection, which a fault that asks for header fields never concerns.
  bool concerns(std::string_view caller, const wire::Fields* fields, WallTime now) const;
  const model::Fault& fault() const { return *fault_; }

 private:
  explicit FaultRule(model::FaultPtr fault) : fault_(std::move(fault)) {}
  const model::FaultPtr fault_;
  std::vector<std::optional<Regex>>
      headers_;  // beside fault_->headers; nothing where the match is exact
};

// What a rule has: its own, or of its route; and its route's, if the rule has one of its own.
struct RuleFaults {
  FaultRulePtr own, route;  // may be null
  static Result<RuleFaults> compile(model::FaultPtr own, model::FaultPtr route);
};

// The narrowest fault that is not over: of `rule` (null: there is no rule), then of the service. When all there
// are have ended, the narrowest of them, which concerns nothing any more; null without any.
FaultRulePtr in_force(const RuleFaults* rule, const FaultRulePtr& service, WallTime now);

// Draws lots by `rule`, which may be null. An opaque connection (`fields` null) can be delayed and reset; an
// abort by a status leaves it alone.
Injection draw_fault(const FaultRulePtr& rule, std::string_view caller, const wire::Fields* fields,
                     WallTime now, Random& random);

}  // namespace weft::steer
