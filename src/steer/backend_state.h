// What one proxy counts of one backend service, all its workers together. Lives as long as anybody uses
// the service, longer than each version of its endpoints. Touched only where a policy asks for it.
// Any thread.
#pragma once

#include <atomic>
#include <cstdint>

#include "steer/breaker.h"
#include "steer/outlier.h"
#include "steer/retry_budget.h"

namespace weft::steer {

struct BackendState {
  RetryBudget retry_budget;
  std::atomic<uint64_t> budget_refusals{0};  // retries that the budget did not pay for
  Breaker breaker;
  Outliers outliers;
};

}  // namespace weft::steer
