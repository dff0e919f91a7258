// HTTPRoute's rules between fields (the CRD's CEL rules), and the table of its matches with theirs.
#include <fmt/format.h>

#include <algorithm>

#include "control/kinds_http_route.h"

namespace weft::control {
namespace {

constexpr const char* kPathTypes[] = {"Exact", "PathPrefix", "RegularExpression"};
constexpr const char* kMethods[] = {"GET",     "HEAD",    "POST",  "PUT",  "DELETE",
                                    "CONNECT", "OPTIONS", "TRACE", "PATCH"};
constexpr const char* kName[] = {"name"};

constexpr Field kHeaderMatchFields[] = {
    match_type_field(),
    match_name_field("Header name, any letter case."),
    match_value_field(4096, &kHeaderText),
};
const Schema kHeaderMatch{"a header match", "A header the request must have.", kHeaderMatchFields};

constexpr Field kQueryMatchFields[] = {
    match_type_field(),
    match_name_field("Name of the parameter; of a repeated one the first counts."),
    match_value_field(1024),
};
const Schema kQueryMatch{"a query match", "A query parameter the request must have.",
                         kQueryMatchFields};

void path_is_absolute(const Node& path, const Report& report) {
  const Node& value = *path.find("value");
  if (path.text_of("type") == "RegularExpression" || value.text.starts_with('/')) return;
  report(value.at, "value", fmt::format("'{}' does not begin with '/'", value.text),
         fmt::format("did you mean '/{}'?", value.text));
}

void path_is_plain(const Node& path, const Report& report) {
  const Node& value = *path.find("value");
  const std::string& text = value.text;
  if (path.text_of("type") == "RegularExpression" || !text.starts_with('/')) return;
  for (const char* bad : {"//", "/./", "/../", "%2f", "%2F", "#", "?"}) {
    if (text.find(bad) == std::string::npos) continue;
    return report(value.at, "value", fmt::format("a path must not hold '{}'", bad),
                  *bad == '?' ? "match the query with queryParams" : "");
  }
  if (text.ends_with("/..") || text.ends_with("/.")) {
    return report(value.at, "value", "a path must not end in '/.' or '/..'");
  }
  if (!kPathCharacters.matches(text)) {
    report(value.at, "value", fmt::format("'{}' is not a path", text),
           "percent-encode characters that RFC 3986 does not allow");
  }
}

constexpr Rule kPathRules[] = {
    {"Exact and PathPrefix: the value begins with '/'.", path_is_absolute},
    {"Exact and PathPrefix: the value holds no '//', '/./', '/../', '%2f', '#' or '?', does not "
     "end "
     "in '/.' or '/..', and has the characters of RFC 3986.",
     path_is_plain}};
constexpr Field kPathFields[] = {
    {.name = "type",
     .type = FieldType::kEnum,
     .description = "`PathPrefix` compares whole path elements: /a matches /a/b, not /ab.",
     .default_value = "\"PathPrefix\"",
     .values = kPathTypes},
    {.name = "value",
     .type = FieldType::kString,
     .description = "Path, or regular expression (RE2) for the whole path.",
     .default_value = "\"/\"",
     .max = 1024},
};
const Schema kPath{"a path match", "What the path must be.", kPathFields, kPathRules};

constexpr Field kMatchFields[] = {
    {.name = "path",
     .type = FieldType::kObject,
     .description = "What the path must be.",
     .default_value = R"({"type": "PathPrefix", "value": "/"})",
     .object = &kPath},
    {.name = "headers",
     .type = FieldType::kObjectList,
     .description = "Headers the request must have.",
     .max = 16,
     .object = &kHeaderMatch},
    {.name = "queryParams",
     .type = FieldType::kObjectList,
     .description = "Query parameters the request must have.",
     .max = 16,
     .object = &kQueryMatch,
     .keys = kName},
    {.name = "method", .type = FieldType::kEnum, .description = "HTTP method.", .values = kMethods},
};

// --- rules of a rule ---

const Node* filter_of(const std::vector<Node>& filters, std::string_view type) {
  const auto it =
      std::ranges::find_if(filters, [&](const Node& one) { return one.text_of("type") == type; });
  return it == filters.end() ? nullptr : &*it;
}

void redirect_has_no_backends(const Node& rule, const Report& report) {
  const Node* refs = rule.find("backendRefs");
  if (!refs || refs->items.empty() || !filter_of(items_of(rule, "filters"), "RequestRedirect")) {
    return;
  }
  report(refs->at, "backendRefs",
         "beside a RequestRedirect: a redirected request goes to no backend",
         "drop one of the two");
}

// Does the list replace a matched prefix?
bool replaces_prefix(const std::vector<Node>& filters) {
  for (const auto& [type, field] :
       {std::pair("RequestRedirect", "requestRedirect"), std::pair("URLRewrite", "urlRewrite")}) {
    const Node* filter = filter_of(filters, type);
    const Node* change = filter ? filter->find_path({field, "path"}) : nullptr;
    if (change && change->text_of("type") == "ReplacePrefixMatch") return true;
  }
  return false;
}

void prefix_to_replace_is_known(const Node& rule, const Report& report) {
  const Node* at = nullptr;
  if (replaces_prefix(items_of(rule, "filters"))) at = rule.find("filters");
  for (const Node& ref : items_of(rule, "backendRefs")) {
    if (replaces_prefix(items_of(ref, "filters"))) at = ref.find("filters");
  }
  if (!at) return;
  const std::vector<Node>& matches = items_of(rule, "matches");
  const Node* path = matches.size() == 1 ? matches[0].find("path") : nullptr;
  if (path && path->text_of("type") == "PathPrefix") return;
  report(at->at, "matches", "ReplacePrefixMatch needs exactly one match, of type PathPrefix",
         "else it is not clear which prefix is replaced");
}

void matches_are_bounded(const Node& rules, const Report& report) {
  size_t matches = 0;
  for (const Node& rule : rules.items) matches += items_of(rule, "matches").size();
  if (matches <= 128) return;
  report(rules.at, "", fmt::format("{} matches in all: at most 128", matches),
         "split the route in two");
}

}  // namespace

const Schema kHttpMatchSchema{"a match", "All parts of a match must hold.", kMatchFields};
const Rule kHttpRuleRules[2] = {
    {"A rule with a RequestRedirect has no backendRefs.", redirect_has_no_backends},
    {"ReplacePrefixMatch needs exactly one match, of type PathPrefix.",
     prefix_to_replace_is_known}};
const Rule kRouteRulesRules[2] = {{"At most 128 matches in all.", matches_are_bounded},
                                  {"Names of rules are unique in the route.", rule_names_differ}};

}  // namespace weft::control
