// The nouns of model/service.h as bytes on the discovery stream (proto/resources.proto) and back.
//
// encode_* are deterministic: equal values give equal bytes, so a resource's version can be the
// hash of its content. decode_* treat the control plane as untrusted: every count, length, address,
// name and SPIFFE ID is checked, and what is out of bounds is an Error of kind kInvalid that names
// the field. A resource whose min_proxy is above `level` gives kUnsupported with the level needed,
// before anything else of it is looked at.
// Limits: 1 MiB a resource, 10 000 endpoints, 256 ports, 1024 rules a port in the Service itself and 8192
// in parts, 64 backends a rule, 64 header or query matches, regular expressions of 1024 bytes, names and
// values of 8 KiB.
//
// A port with many rules has them in parts, resources of their own (Rules): runs of rules that end where
// a hash of a rule's place (its route, host, path, method) says so. A rule that is added, changed or
// taken away therefore changes the part it is in, and no other. A part is named by its content.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/service.h"
#include "xds/resource_type.h"

namespace weft::xds {

std::string encode_name(const model::NameEntry& entry);
// All in one, however many rules.
std::string encode_service(const model::Service& service);
std::string encode_endpoints(const model::EndpointSet& set);
std::string encode_workload_address(const model::WorkloadAddress& address);
std::string encode_inbound(const model::Inbound& inbound);

// Up to so many rules a port has them in the Service: no more to ask for, and of use to any proxy.
inline constexpr size_t kInlineRules = 64;
inline constexpr size_t kPartRules = 64;
inline constexpr size_t kPartBytes = 32 * 1024;  // more only when one rule alone is larger
inline constexpr size_t kPortRules = 8192;
// What one resource holds: rules of each kind of a port that has them in it, endpoints, bytes.
inline constexpr size_t kRulesInOne = 1024;
inline constexpr size_t kMostEndpoints = 10'000;
inline constexpr size_t kResourceBytes = 1024 * 1024;

struct EncodedService {
  struct Part {
    std::string name;  // of the resource
    std::string payload;
    std::string last_rule;  // for messages: "default/cart rule 0"
  };
  std::string service;
  std::vector<Part> parts;  // each once
};
// In parts where there are many rules, or so large ones that one resource cannot hold them.
EncodedService encode_in_parts(const model::Service& service);
// "cart.default/0123456789abcdef".
std::string part_name(const model::ServiceName& service, uint64_t part);

Result<model::NameEntry> decode_name(std::string_view bytes, uint32_t level = kProxyLevel);
Result<model::Service> decode_service(std::string_view bytes, uint32_t level = kProxyLevel);
Result<std::vector<model::RouteRule>> decode_rules(std::string_view bytes,
                                                   uint32_t level = kProxyLevel);
Result<model::EndpointSet> decode_endpoints(std::string_view bytes, uint32_t level = kProxyLevel);
Result<model::WorkloadAddress> decode_workload_address(std::string_view bytes,
                                                       uint32_t level = kProxyLevel);
Result<model::Inbound> decode_inbound(std::string_view bytes, uint32_t level = kProxyLevel);

}  // namespace weft::xds
