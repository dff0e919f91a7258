// Internal to xds: what decode.cc and decode_rules.cc ask of single fields. Errors are kInvalid and name
// the field.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/service.h"

namespace weft::xds {

constexpr size_t kTextBytes = 8 * 1024;

std::unexpected<Error> invalid(std::string text);
Result<uint16_t> port_number(uint32_t value, std::string_view field);
// Without control characters but tab, of at most `limit` bytes.
Result<std::string> text(const std::string& value, std::string_view field,
                         size_t limit = kTextBytes);
// Text of 1 to 256 bytes.
Result<std::string> field_name(const std::string& value, std::string_view field);
// NAME.NAMESPACE.
Result<model::ServiceName> service_name(const std::string& value, std::string_view field);
Result<void> within(int count, int limit, std::string_view field);

}  // namespace weft::xds
