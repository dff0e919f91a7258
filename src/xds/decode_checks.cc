// Errors name the field, so that a control plane's developer finds what is wrong without this source.
#include "xds/decode_checks.h"

#include <fmt/format.h>

namespace weft::xds {

std::unexpected<Error> invalid(std::string text) {
  return fail(ErrorKind::kInvalid, std::move(text));
}

Result<uint16_t> port_number(uint32_t value, std::string_view field) {
  if (value == 0 || value > 65535) return invalid(fmt::format("{}: {} is no port", field, value));
  return static_cast<uint16_t>(value);
}

Result<std::string> text(const std::string& value, std::string_view field, size_t limit) {
  if (value.size() > limit) {
    return invalid(fmt::format("{}: {} bytes, at most {} allowed", field, value.size(), limit));
  }
  for (char c : value) {
    if (static_cast<unsigned char>(c) < 0x20 && c != '\t') {
      return invalid(fmt::format("{}: contains a control character", field));
    }
  }
  return value;
}

Result<model::ServiceName> service_name(const std::string& value, std::string_view field) {
  auto name = model::ServiceName::parse(value);
  if (!name) return std::unexpected(std::move(name.error()).context(field));
  if (name->to_string() != value) {
    return invalid(fmt::format("{}: '{}' is not of the form NAME.NAMESPACE", field, value));
  }
  return name;
}

Result<void> within(int count, int limit, std::string_view field) {
  if (count > limit)
    return invalid(fmt::format("{}: {} entries, at most {} allowed", field, count, limit));
  return {};
}

Result<std::string> field_name(const std::string& value, std::string_view field) {
  auto name = text(value, field, 256);
  if (!name) return name;
  if (name->empty()) return invalid(fmt::format("{}: empty name", field));
  return name;
}

}  // namespace weft::xds
