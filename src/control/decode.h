// Checking a tree against a table of fields. A kind's table is its schema and its reference page at
// once: name, type, limits, default, description. check() reports everything that is wrong in one go,
// each with place, path and a hint, and gives back the canonical tree: table order, defaults filled in,
// nothing the server sets. What a table does not name does not exist: unknown fields are problems.
//
// Fields and values that the API defines but Weft does not carry out are in the tables too, marked
// `unsupported`: never ignored. A kind of the Gateway API keeps them and says so in its status
// (UnsupportedValue); other kinds refuse them by name.
#pragma once

#include <cstdint>
#include <optional>
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

// How a Rule says what is wrong. `below` is the path from the value the rule is about: "" itself,
// "listeners[1].name", "[3].port".
class Report {
 public:
  Report(std::string_view file, std::string_view path, Problems& problems)
      : file_(file), path_(path), problems_(problems) {}
  void operator()(Position at, std::string_view below, std::string what,
                  std::string hint = "") const;

 private:
  std::string_view file_, path_;
  Problems& problems_;
};

// A rule between fields, which no single field can state: the CRDs have these in CEL. It sees the
// canonical tree (defaults filled in); what it reports about a field that is wrong already is dropped.
struct Rule {
  const char* statement;  // for the reference: what must hold
  void (*check)(const Node& value, const Report& report);
};

enum class FieldType : uint8_t {
  kString,
  kInteger,
  kDecimal,  // a number in [min, max] with at most `decimals` digits behind the point
  kBoolean,
  kEnum,           // one of `values`
  kIntegerOrName,  // a port: a number in range, or text of `format`
  kObject,         // `object`
  kObjectList,     // list of `object`
  kStringList,     // items of `format`
  kIntegerList,    // items in [min, max]
  kStringMap,      // names of `key_format`, values of `format`
  kEnumList,       // items are one of `values`
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
  std::span<const char* const> values = {};  // enums; integers: only these
  // Values of an enum that the API knows and Weft does not carry out yet.
  std::span<const char* const> unsupported_values = {};
  const char* unsupported_why = nullptr;  // of these
  const Format* format = nullptr;
  const Format* key_format = nullptr;
  const Schema* object = nullptr;
  // Set: the whole field is not carried out, this is why or what to do instead.
  const char* unsupported = nullptr;
  const char* unit = nullptr;              // for the reference
  std::span<const Rule> rules = {};        // on this field's value
  std::span<const char* const> keys = {};  // object lists: no two items agree in all of these
  bool distinct = false;                   // string, enum and integer lists: each item once
  bool experimental = false;               // of the experimental channel only
  // The default where it depends on what else was written; null = default_value.
  const char* (*default_when)(const Node& parent) = nullptr;
  int decimals = 0;
};

struct Schema {
  const char* name;
  const char* description;
  std::span<const Field> fields;
  std::span<const Rule> rules = {};  // on the whole object
};

// `path` is where `node` stands ("" for the root). Whatever the problems, the tree returned has every
// required field, lists where lists and maps where maps belong: a reader may walk it without asking.
// With `held`, what is valid but not carried out is told there and kept in the tree; without, it is a
// problem.
Node check(const Schema& schema, const Node& node, std::string_view file, const std::string& path,
           Problems& problems, Problems* held = nullptr);

// Appends `deeper` to `problems`, but not what stands where one of problems[first...] stands, above it or
// below it: both have one cause, and the first says it better.
void append_deeper(Problems deeper, size_t first, Problems& problems);

// "1.25" as 12500 with 4 decimals; nothing when it is no plain number or has more digits behind the point.
std::optional<int64_t> scaled_decimal(std::string_view text, int decimals);

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

// --- the Gateway API's patterns (decode_patterns.cc) ---
extern const Format kGroup;             // API group, "" is core
extern const Format kKindName;          // Service, HTTPRoute
extern const Format kObjectName;        // any text: the name of an object of any kind
extern const Format kSectionName;       // of a listener, rule or port
extern const Format kHostname;          // may begin with "*."
extern const Format kPreciseHostname;   // no wildcard
extern const Format kHeaderText;        // visible ASCII, single blanks inside
extern const Format kShortHeaderName;   // kHeaderName of at most 256
extern const Format kOrigin;            // CORS: scheme://host[:port], wildcards
extern const Format kPathCharacters;    // RFC 3986 path
extern const Format kControllerName;    // domain/path
extern const Format kListenerProtocol;  // HTTP or example.com/name
extern const Format kAddressType;       // IPAddress, Hostname, NamedAddress, example.com/name
extern const Format kWellKnownCa;       // System or example.com/name
extern const Format kUri;               // absolute

}  // namespace weft::control
