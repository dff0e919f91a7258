// The kinds of objects Weft knows, and how YAML becomes one of them. To add a kind: a table of fields
// and a reader in kinds_NAME.cc, a row in kinds.cc, a spec in object.h.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "control/decode.h"
#include "control/object.h"

namespace weft::control {

// An object and where it was written, for problems found later (two files with the same object).
struct DecodedObject {
  Object object;
  std::string file;
  Position at;
};

// Every object in a file; `kind: List` is unfolded. Whatever is wrong, of syntax, schema or sense, is
// appended to `problems`; the objects are good only if nothing was. Never asserts on any input.
std::vector<DecodedObject> decode_objects(std::string_view file, std::string_view text,
                                          Problems& problems);

// A kind by what users call it: "Service", "services", "svc", "HTTPRoute", "routes", …
std::optional<std::string> parse_kind(std::string_view text);

// What one kind brings. `read` gets the canonical tree from check(), looks for what a table cannot say
// (and reports it), and fills object.spec.
struct Kind {
  const char* kind;
  const char* plural;
  std::span<const char* const> aliases;
  const char* api_version;
  const Schema* schema;  // of the whole document
  void (*read)(const Node& document, std::string_view file, Object& object, Problems& problems);
};
std::span<const Kind> kinds();

// --- shared by the kinds' files ---
extern const Schema kServiceMetadata;    // its name is a DNS label
extern const Schema kHttpRouteMetadata;  // its name is a DNS subdomain
void read_service(const Node& document, std::string_view file, Object& object, Problems& problems);
void read_http_route(const Node& document, std::string_view file, Object& object,
                     Problems& problems);
extern const Schema kServiceDocument;
extern const Schema kHttpRouteDocument;

}  // namespace weft::control
