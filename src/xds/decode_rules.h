// Internal to xds: the rules of a service's port, bytes already parsed, checked field by field.
#pragma once

#include "base/result.h"
#include "model/service.h"

namespace weft::v1 {
class RouteRule;
class TcpRule;
}  // namespace weft::v1

namespace weft::xds {

Result<model::RouteRule> decode_rule(const v1::RouteRule& in);
Result<model::TcpRule> decode_rule(const v1::TcpRule& in);

}  // namespace weft::xds
