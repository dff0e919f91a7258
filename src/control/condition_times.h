// When each condition of an object last changed its status: `lastTransitionTime` of metav1.Condition, "when
// the underlying condition changed; if that is not known, the time when the API field changed". Conditions
// are computed when somebody asks, so this is the time they were first seen with the status they have: at
// the apply that changed them or at a later look. In memory: a restarted server begins anew.
// Threading: the server's loop.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/time.h"
#include "control/object.h"

namespace weft::control {

class ConditionTimes {
 public:
  // Entries kept; about 150 bytes each. Past it all begin anew.
  static constexpr size_t kEntries = 200'000;

  explicit ConditionTimes(const Clock& clock) : clock_(clock) {}
  // Fills `since` of each. `owner`: whose they are, e.g. "HTTPRoute/default/r cart.default:80".
  void stamp(const std::string& owner, std::vector<Condition>& conditions);

 private:
  struct Seen {
    bool ok = false;
    WallTime since{};
  };
  const Clock& clock_;
  std::map<std::string, Seen> seen_;
};

}  // namespace weft::control
