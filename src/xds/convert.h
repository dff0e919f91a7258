// The nouns of model/service.h as bytes on the discovery stream (proto/resources.proto) and back.
//
// encode_* are deterministic: equal values give equal bytes, so a resource's version can be the
// hash of its content. decode_* treat the control plane as untrusted: every count, length, address,
// name and SPIFFE ID is checked, and what is out of bounds is an Error of kind kInvalid that names
// the field. A resource whose min_proxy is above `level` gives kUnsupported with the level needed,
// before anything else of it is looked at.
// Limits: 1 MiB a resource, 10 000 endpoints, 256 ports, 1024 rules a port, 64 backends a rule, 64
// header or query matches, regular expressions of 1024 bytes, names and values of 8 KiB.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "model/service.h"
#include "xds/resource_type.h"

namespace weft::xds {

std::string encode_name(const model::NameEntry& entry);
std::string encode_service(const model::Service& service);
std::string encode_endpoints(const model::EndpointSet& set);
std::string encode_workload_address(const model::WorkloadAddress& address);
std::string encode_inbound(const model::Inbound& inbound);

Result<model::NameEntry> decode_name(std::string_view bytes, uint32_t level = kProxyLevel);
Result<model::Service> decode_service(std::string_view bytes, uint32_t level = kProxyLevel);
Result<model::EndpointSet> decode_endpoints(std::string_view bytes, uint32_t level = kProxyLevel);
Result<model::WorkloadAddress> decode_workload_address(std::string_view bytes,
                                                       uint32_t level = kProxyLevel);
Result<model::Inbound> decode_inbound(std::string_view bytes, uint32_t level = kProxyLevel);

}  // namespace weft::xds
