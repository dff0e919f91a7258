// Tables that HTTPRoute and GRPCRoute share: header modifiers, mirrors, session persistence, and how a
// filter's type and its fields belong together.
#pragma once

#include "control/kinds_refs.h"

namespace weft::control {

extern const Schema kHeaderModifierSchema;
extern const Schema kMirrorSchema;
extern const Schema kSessionPersistenceSchema;

constexpr Field header_modifier_field(const char* name, const char* description) {
  return {.name = name,
          .type = FieldType::kObject,
          .description = description,
          .object = &kHeaderModifierSchema};
}
constexpr Field mirror_field() {
  return {.name = "requestMirror",
          .type = FieldType::kObject,
          .description = "Where a copy of each request goes; its answer is dropped.",
          .object = &kMirrorSchema};
}
constexpr Field extension_ref_field() {
  return {.name = "extensionRef",
          .type = FieldType::kObject,
          .description = "A filter of the implementation's own.",
          .object = &kLocalRefSchema};
}
constexpr Field session_persistence_field() {
  return {.name = "sessionPersistence",
          .type = FieldType::kObject,
          .description = "Keep a client on one instance.",
          .object = &kSessionPersistenceSchema,
          .experimental = true};
}

// type, name and value of what a request is matched by: a header, a query parameter, metadata.
inline constexpr const char* kMatchTypes[] = {"Exact", "RegularExpression"};
constexpr Field match_type_field() {
  return {.name = "type",
          .type = FieldType::kEnum,
          .description = "How `value` is compared.",
          .default_value = "\"Exact\"",
          .values = kMatchTypes};
}
constexpr Field match_name_field(const char* description) {
  return {.name = "name",
          .type = FieldType::kString,
          .description = description,
          .required = true,
          .min = 1,
          .max = 256,
          .format = &kShortHeaderName};
}
constexpr Field match_value_field(int64_t longest, const Format* format = nullptr) {
  return {.name = "value",
          .type = FieldType::kString,
          .description = "Value, or regular expression (RE2).",
          .required = true,
          .min = 1,
          .max = longest,
          .format = format};
}

// A filter's field is there when its type says so, and only then.
extern const Rule kFilterRules[1];
// On a list of filters: header modifiers, redirect, rewrite and CORS once each; not both of redirect and
// rewrite.
extern const Rule kFilterListRules[2];

// Reads what the two kinds share from a canonical tree into an object whose table check is done, and says
// what the tables cannot: regular expressions that are none, and what is valid but beyond what sidecars
// take. Lives for one object.
class RouteReading {
 public:
  RouteReading(std::string_view file, Object& object, Problems& problems)
      : file_(file), object_(object), problems_(problems) {}

  const ObjectMeta& meta() const { return object_.meta; }
  void report(Position at, std::string path, std::string what, std::string hint = "");
  // Valid, but not carried out.
  void hold(const std::string& path, const std::string& why);
  // A regular expression of `length` at most, else held or reported.
  void check_regex(const Node& value, const std::string& path);
  std::vector<model::StringMatch> strings(const std::vector<Node>& nodes, const std::string& path,
                                          bool ignore_case);
  Duration duration(const Node& parent, std::string_view name, const std::string& path,
                    Duration otherwise = {});
  // The whole spec, its rules and their matches read as the kind does.
  using ReadRule = HttpRouteRule (*)(const Node&, const std::string& path, RouteReading&);
  using ReadMatch = model::RouteMatch (*)(const Node&, const std::string& path, RouteReading&);
  HttpRouteSpec route(const Node& spec, ReadRule read_rule);
  std::vector<model::RouteMatch> matches(const Node& rule, const std::string& path,
                                         ReadMatch read_match);
  // rules[].filters[], rules[].backendRefs[] and rules[].sessionPersistence.
  void filters(const Node& rule, const std::string& path, HttpRouteRule& out);
  void backends(const Node& rule, const std::string& path, HttpRouteRule& out);
  void persistence(const Node& rule, const std::string& path, HttpRouteRule& out);
  // A `sessionPersistence`; a cookie that is given no name has none.
  model::SessionPersistence sessions(const Node& node, const std::string& path);

 private:
  void header_filters(const Node& parent, const std::string& path, model::HeaderModifier& request,
                      model::HeaderModifier& response);
  model::HeaderModifier modifier(const Node& node, const std::string& path);
  std::vector<MirrorRef> mirrors(const Node& parent, const std::string& path);
  void check_modified_name(const Node& name, const std::string& path);

  std::string_view file_;
  Object& object_;
  Problems& problems_;
};

// The `cors` of a filter.
model::Cors read_cors(const Node& cors);

// A cookie's name for sessions of that alone, the same whenever it is asked for.
std::string session_cookie_name(std::string_view of);

// hostnames, in lower case.
std::vector<std::string> read_hostnames(const Node& spec);

}  // namespace weft::control
