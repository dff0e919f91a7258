// How a part of a request is compared.
#pragma once

#include <cstdint>
#include <string>

namespace weft::model {

struct StringMatch {
  enum Kind : uint8_t { kExact, kRegex } kind = kExact;
  std::string name;  // header (any case) or query parameter
  std::string value;
  friend bool operator==(const StringMatch&, const StringMatch&) = default;
};

}  // namespace weft::model
