// What people look at of the objects that have no rows of their own in status_rows.h: all but Services, HTTPRoutes and
// GRPCRoutes.
#pragma once

#include <string>
#include <vector>

#include "control/status_rows.h"

namespace weft::control {

struct ObjectSummary {
  ObjectKey key;
  // Parents or targets: "Service cart.shop", "HTTPRoute cart.shop/rule".
  std::vector<std::string> of;
  std::vector<std::string> acting;  // those of them for which it is accepted
  Served served;
  // "in force", "over", or the reason of the first condition that is not as it should be.
  std::string state;
  std::string why;     // that one's message, and of which listener, parent or target it speaks
  WallTime expires{};  // of a fault; 0 = never
};

// Of objects that only others read (Secret, ConfigMap, EndpointSlice, …) the ones with something wrong.
std::vector<ObjectSummary> object_summaries(const Compiler& compiler, const ServedFn& served,
                                            WallTime now);

// One line for each fault policy that may break calls now: an experiment must not be forgotten.
std::vector<std::string> faults_in_force(const std::vector<ObjectSummary>& rows);

}  // namespace weft::control
