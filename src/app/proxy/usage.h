// What this process uses, and how much it may: readings for proxy/overload.h.
#pragma once

#include "base/fd.h"
#include "proxy/overload.h"

namespace weft::app {

class UsageReader {
 public:
  UsageReader();
  // Two system calls for each number.
  proxy::Usage read();

 private:
  Fd statm_;
};

// Raises the limit of descriptors to what is allowed. Then:
//  memory       a quarter of what the machine (or the memory cgroup, if it allows less) has, at most 1 GiB
//  descriptors  as many as are allowed
proxy::UsageLimits usage_limits();

}  // namespace weft::app
