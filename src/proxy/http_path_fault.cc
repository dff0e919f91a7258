// What a FaultPolicy breaks of a request: held back, then answered or reset in place of the backend. Lots are
// drawn when the rule is known and the app's own fields still stand; they are carried out before the first
// try, so that no endpoint is blamed and none sees anything. The time a request is held back counts towards
// its deadline, as a slow service's would: that is what the experiment is for.
#include "proxy/http_request.h"

namespace weft::proxy {
// A fault that is over is none: the wider one counts again.
void HttpPath::draw_fault(Request& request, const LiveService* service) {
  static const steer::FaultRulePtr kNone;  // what a Gateway has beside its rules'
  const steer::RuleFaults* narrow = request.rule ? &request.rule->faults() : nullptr;
  const steer::FaultRulePtr& wide = service ? service->compiled->fault : kNone;
  if (!(narrow && narrow->own) && !wide) return;
  const WallTime now = worker_.loop.wall_now();
  request.injection = steer::draw_fault(steer::in_force(narrow, wide, now), request.log.source,
                                        &request.down->request().fields, now, worker_.random);
}

// False: the request goes no further.
io::Task<bool> HttpPath::inject(Request& request) {
  const model::Fault& fault = request.injection.rule->fault();
  Record& log = request.log;
  log.policy = fault.policy;
  if (request.injection.delay.ns > 0) {
    log.delayed = true;
    worker_.policy_acts.count(telemetry::PolicyAct::kDelayed, fault.policy);
    const Instant until = worker_.loop.now() + request.injection.delay;
    const bool late = request.deadline && *request.deadline <= until;
    if (!co_await request.forwarder.pause(late ? *request.deadline : until)) {
      log.flags = "DC";
      co_return false;
    }
    if (late) {
      request.reply = {504,
                       "weft: " + log.service_and_port() +
                           " did not answer in time (held back by fault policy " + fault.policy +
                           ")",
                       "UT"};
      co_return false;
    }
  }
  if (!request.injection.abort) co_return true;
  worker_.policy_acts.count(telemetry::PolicyAct::kAborted, fault.policy);
  if (fault.abort_reset) {
    log.flags = "FI";
    log.why = "fault policy " + fault.policy + " resets this request";
    request.down->reset();
  } else {
    request.reply = abort_reply(fault);
  }
  co_return false;
}

}  // namespace weft::proxy
