// Registrations as messages: what a keeper sends (untrusted, every field checked) and what the
// store keeps.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "control/registry.h"

namespace weft::v1 {
class RegisterRequest;
class ReportRequest;
}  // namespace weft::v1

namespace weft::control {

// Limits: 32 claims, 64 labels of 256 bytes, names that are DNS labels of at most 63 bytes.
Result<Registration> read_registration(const v1::RegisterRequest& request);
HealthReport read_health(const v1::ReportRequest& request);

std::string pack_instance(const InstanceRecord& record);
// Fills registration, address, readiness and leaving of a record.
Result<InstanceRecord> unpack_instance(std::string_view bytes);

}  // namespace weft::control
