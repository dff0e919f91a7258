// The value of the part of a request that a policy tells requests apart by (model::RequestKey).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "model/policy.h"
#include "wire/message.h"

namespace weft::steer {

struct RequestParts {
  const wire::Fields* fields = nullptr;  // null: an opaque connection
  std::string_view target = {};          // path and query
  std::string_view identity = {};        // SPIFFE ID of the caller; "" = none
  std::string_view address = {};         // IP address of the caller
};

// Nothing when the request has no such part. A view of the parts, or of `scratch`.
std::optional<std::string_view> value_of(const model::RequestKey& key, const RequestParts& parts,
                                         std::string& scratch);

}  // namespace weft::steer
