// Internal to xds: the rules of a service's port, bytes already parsed, checked field by field.
#pragma once

#include "base/result.h"
#include "model/service.h"
#include "xds/decode_policies.h"

namespace weft::v1 {
class RouteRule;
class TcpRule;
}  // namespace weft::v1

namespace weft::xds {

// Errors name the route.
Result<model::RouteRule> decode_rule(const v1::RouteRule& in, const PolicyTables& policies);
Result<model::TcpRule> decode_rule(const v1::TcpRule& in, const PolicyTables& policies);

}  // namespace weft::xds
