// Checking a tree against a table of fields. A kind's table is its schema and its reference page at
// once: name, type, limits, default, description. check() reports everything that is wrong in one go,
// each with place, path and a hint, and gives back the canonical tree: table order, defaults filled in,
// nothing the server sets. What a table does not name does not exist: unknown fields are problems.
//
// Fields and values that the API defines but Weft does not carry out are in the tables too, marked
// `unsupported`: they are refused by name, never ignored.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "control/yaml.h"

namespace weft::control {

struct Schema;

// A rule for a string beyond its length.
struct Format {
  const char* expected;  // completes "must be …"
  const char* example;
  bool (*matches)(std::string_view text);
};

enum class FieldType : uint8_t {
  kString,
  kInteger,
  kBoolean,
  kEnum,           // one of `values`
  kIntegerOrName,  // a port: a number in range, or text of `format`
  kObject,         // `object`
  kObjectList,     // list of `object`
  kStringList,     // items of `format`
  kIntegerList,    // items in [min, max]
  kStringMap,      // names of `key_format`, values of `format`
  kIgnored,        // set by the server and printed by `weft get`: read back without effect
};

struct Field {
  const char* name;
  FieldType type;
  const char* description;
  bool required = false;
  const char* default_value = nullptr;  // as JSON
  int64_t min = 0;                      // integers: smallest value; strings and lists: shortest
  int64_t max = 0;  // the same, largest; strings and lists: 0 = no limit of its own
  std::span<const char* const> values = {};
  // Values of an enum that the API knows and Weft does not carry out yet.
  std::span<const char* const> unsupported_values = {};
  const Format* format = nullptr;
  const Format* key_format = nullptr;
  const Schema* object = nullptr;
  // Set: the whole field is refused, this is why or what to do instead.
  const char* unsupported = nullptr;
  const char* unit = nullptr;  // for the reference
};

struct Schema {
  const char* name;
  const char* description;
  std::span<const Field> fields;
};

// `path` is where `node` stands ("" for the root). Whatever the problems, the tree returned has every
// required field, lists where lists and maps where maps belong: a reader may walk it without asking.
Node check(const Schema& schema, const Node& node, std::string_view file, const std::string& path,
           Problems& problems);

// "did you mean 'weight'?", from the candidates nearest to `word`; "" when none is near.
std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates);

// --- formats several kinds use ---
extern const Format kDnsLabel;      // RFC 1123 label
extern const Format kDnsSubdomain;  // RFC 1123 subdomain, at most 253
extern const Format kLabelName;     // [PREFIX/]NAME, Kubernetes' label syntax
extern const Format kLabelValue;
extern const Format kAnyText;
extern const Format kPortName;  // IANA service name: at most 15 of [a-z0-9-], one letter at least
extern const Format kGatewayDuration;  // GEP-2257
extern const Format kHeaderName;       // RFC 9110 token
extern const Format kHeaderValue;      // no control characters

}  // namespace weft::control
