// What is broken on purpose: the rule's fault, else its route's, else the service's. Whether a lot falls on a request is not foretold,
// only how likely it is.
#include <fmt/format.h>

#include "base/log.h"
#include "proxy/explain.h"
#include "steer/fault.h"

namespace weft::proxy {
namespace {

double percent(uint32_t share) { return share * 100.0 / model::Fault::kAll; }

std::string abort_text(const model::Fault& fault) {
  if (fault.abort_reset) return "a reset";
  if (fault.abort_grpc_status >= 0) return fmt::format("gRPC status {}", fault.abort_grpc_status);
  return fmt::format("status {}", fault.abort_http_status);
}

}  // namespace

bool Explainer::faults(const steer::FaultRulePtr& rule, const wire::Fields* fields) {
  if (!rule) {
    out_.step("fault", "", "none (default)");
    return true;
  }
  const model::Fault& fault = rule->fault();
  const std::string origin = "FaultPolicy " + fault.policy;
  const WallTime now = worker_.loop.wall_now();
  Explanation::Step& step = out_.step("fault", origin, "");
  if (!rule->concerns(worker_.self.identity.uri(), fields, now)) {
    step.says = now < fault.expires ? "does not concern this caller or request"
                                    : "has expired at " + to_rfc3339(fault.expires);
    return true;
  }
  step.says = "concerns it, until " + to_rfc3339(fault.expires);
  if (fault.delay_share > 0) {
    step.values.push_back(
        {"delay", fmt::format("{} for {:.4g} %", readable(fault.delay), percent(fault.delay_share)),
         origin});
  }
  if (fault.abort_share == 0) return true;
  const std::string share = fmt::format("{:.4g} %", percent(fault.abort_share));
  step.values.push_back({"abort", fmt::format("{} for {}", abort_text(fault), share), origin});
  if (fault.abort_share < model::Fault::kAll) {
    unless_ = fmt::format("; {} get {} from {} instead", share, abort_text(fault), origin);
    return true;
  }
  if (fault.abort_reset) {
    end(fmt::format("the {} is reset by {}", fields ? "request" : "connection", origin), "FI");
  } else {
    answer(abort_reply(fault));
  }
  return false;
}

}  // namespace weft::proxy
