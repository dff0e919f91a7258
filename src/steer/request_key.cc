// Only a query parameter costs an allocation: it has to be decoded.
#include "steer/request_key.h"

#include "wire/cookie.h"
#include "wire/request_target.h"

namespace weft::steer {
namespace {

std::optional<std::string_view> unless_empty(std::string_view text) {
  return text.empty() ? std::nullopt : std::optional(text);
}

}  // namespace

std::optional<std::string_view> value_of(const model::RequestKey& key, const RequestParts& parts,
                                         std::string& scratch) {
  using Kind = model::RequestKey;
  switch (key.kind) {
    case Kind::kSourceIdentity: return unless_empty(parts.identity);
    case Kind::kSourceAddress: return unless_empty(parts.address);
    case Kind::kHeader: return parts.fields ? parts.fields->get(key.name) : std::nullopt;
    case Kind::kCookie:
      return parts.fields ? wire::cookie_value(*parts.fields, key.name) : std::nullopt;
    case Kind::kQuery: {
      auto value = wire::query_parameter(wire::query_of(parts.target), key.name);
      if (!value) return std::nullopt;
      scratch = std::move(*value);
      return scratch;
    }
  }
  return std::nullopt;
}

}  // namespace weft::steer
