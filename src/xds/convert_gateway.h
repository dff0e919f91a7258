// model/gateway.h as bytes on the discovery stream (proto/gateway.proto) and back; the rules of convert.h
// hold. Limits: 1 MiB, 64 listeners, 64 certificates a listener, each of 256 KiB.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "model/gateway.h"
#include "xds/resource_type.h"

namespace weft::xds {

std::string encode_gateway(const model::Gateway& gateway);
Result<model::Gateway> decode_gateway(std::string_view bytes, uint32_t level = kProxyLevel);

}  // namespace weft::xds
