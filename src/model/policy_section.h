// The section of a policy that is in force: the narrower policy's if it has one, else the wider one's
// (docs/design/policies.md). Null when neither says anything: then the defaults of the struct hold.
#pragma once

#include "model/policy.h"

namespace weft::model {

template <typename T>
const Said<T>* section(const BackendPolicy* rule, const BackendPolicy* service,
                       std::optional<Said<T>> BackendPolicy::* which) {
  if (rule && (rule->*which)) return &*(rule->*which);
  if (service && (service->*which)) return &*(service->*which);
  return nullptr;
}

}  // namespace weft::model
