// Internal to xds: policies, bytes already parsed, checked field by field.
#pragma once

#include "base/result.h"
#include "model/service.h"

namespace weft::v1 {
class BackendPolicy;
class Fault;
class Inbound;
class Service;
}  // namespace weft::v1

namespace weft::xds {

Result<model::BackendPolicy> decode_policy(const v1::BackendPolicy& in);
Result<model::Fault> decode_fault(const v1::Fault& in);
Result<model::Inbound> decode_inbound(const v1::Inbound& in);

// Gives `out` and its rules the policies that `in` says; `out` has the ports and rules of `in` already.
Result<void> decode_policies(const v1::Service& in, model::Service& out);

}  // namespace weft::xds
