// What people look at of the objects that are neither Services nor HTTPRoutes (those have rows with more in
// them, status_rows.h): Gateways, policies, other routes.
#pragma once

#include <string>
#include <vector>

#include "control/status_rows.h"

namespace weft::control {

struct ObjectSummary {
  ObjectKey key;
  std::vector<std::string>
      of;  // "Service cart.shop", "HTTPRoute cart.shop/rule": parents or targets
  std::vector<std::string> acting;  // those of them for which it is accepted
  Served served;
  std::string
      state;  // "in force", "over", or the reason of the first condition that is not as it should be
  std::string why;     // that one's message, and of which listener, parent or target it speaks
  WallTime expires{};  // of a fault; 0 = never
};

// All but Services and HTTPRoutes; of those that only others read (Secret, ConfigMap, EndpointSlice, …) the ones with something wrong.
std::vector<ObjectSummary> object_summaries(const Compiler& compiler, const ServedFn& served,
                                            WallTime now);

// One line for each fault policy that may break calls now: an experiment must not be forgotten.
std::vector<std::string> faults_in_force(const std::vector<ObjectSummary>& rows);

}  // namespace weft::control
