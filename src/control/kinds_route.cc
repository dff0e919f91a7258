// The tables behind kinds_route.h, and the CRDs' rules about filters.
#include "control/kinds_route.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

namespace weft::control {
namespace {

constexpr const char* kName[] = {"name"};

constexpr Field kHeaderFields[] = {
    {.name = "name",
     .type = FieldType::kString,
     .description = "Header name.",
     .required = true,
     .min = 1,
     .max = 256,
     .format = &kShortHeaderName},
    {.name = "value",
     .type = FieldType::kString,
     .description = "Its value.",
     .required = true,
     .min = 1,
     .max = 4096,
     .format = &kHeaderText},
};
const Schema kHeader{"a header", "A header line.", kHeaderFields};

constexpr Field kModifierFields[] = {
    {.name = "set",
     .type = FieldType::kObjectList,
     .description = "Headers to write, in place of any of that name.",
     .max = 16,
     .object = &kHeader,
     .keys = kName},
    {.name = "add",
     .type = FieldType::kObjectList,
     .description = "Headers to add to those there are.",
     .max = 16,
     .object = &kHeader,
     .keys = kName},
    {.name = "remove",
     .type = FieldType::kStringList,
     .description = "Names of headers to take away.",
     .max = 16,
     .format = &kShortHeaderName,
     .distinct = true},
};

constexpr int64_t kInt32 = 2'147'483'647;

void at_most_the_whole(const Node& fraction, const Report& report) {
  const Node& numerator = *fraction.find("numerator");
  const int64_t denominator = fraction.find("denominator")->number;
  if (numerator.number > denominator) {
    report(numerator.at, "numerator",
           fmt::format("{} is more than the denominator {}", numerator.number, denominator));
  }
}
constexpr Rule kFractionRules[] = {
    {"The numerator is at most the denominator.", at_most_the_whole}};
constexpr Field kFractionFields[] = {
    {.name = "numerator",
     .type = FieldType::kInteger,
     .description = "How many of `denominator` requests.",
     .required = true,
     .min = 0,
     .max = kInt32},
    {.name = "denominator",
     .type = FieldType::kInteger,
     .description = "Of how many requests.",
     .default_value = "100",
     .min = 1,
     .max = kInt32},
};
const Schema kFraction{"a fraction", "A share of the requests.", kFractionFields, kFractionRules};

void percent_or_fraction(const Node& mirror, const Report& report) {
  const Node* fraction = mirror.find("fraction");
  if (mirror.find("percent") && fraction) {
    report(fraction->at, "fraction", "beside percent: only one of the two", "keep one");
  }
}
constexpr Rule kMirrorRules[] = {{"Only one of percent and fraction.", percent_or_fraction}};
constexpr Field kMirrorFields[] = {
    {.name = "backendRef",
     .type = FieldType::kObject,
     .description = "Who gets the copies.",
     .required = true,
     .object = &kMirrorRefSchema},
    {.name = "percent",
     .type = FieldType::kInteger,
     .description = "Share of the requests that is copied; all when neither this nor `fraction` is "
                    "set.",
     .min = 0,
     .max = 100,
     .unit = "%"},
    {.name = "fraction",
     .type = FieldType::kObject,
     .description = "The same share as a fraction.",
     .object = &kFraction},
};

constexpr const char* kSessionTypes[] = {"Cookie", "Header"};
constexpr const char* kLifetimes[] = {"Permanent", "Session"};
constexpr Field kCookieFields[] = {
    {.name = "name",
     .type = FieldType::kString,
     .description = "Name of the cookie; a name of its own when left out.",
     .min = 1,
     .max = 256,
     .format = &kShortHeaderName},
    {.name = "path",
     .type = FieldType::kString,
     .description = "Path attribute of the cookie.",
     .default_value = "\"/\"",
     .max = 1024},
    {.name = "lifetimeType",
     .type = FieldType::kEnum,
     .description = "Whether the cookie outlives the browser's session.",
     .default_value = "\"Session\"",
     .values = kLifetimes},
};
const Schema kCookie{"a session cookie", "The cookie that holds the instance.", kCookieFields};
constexpr Field kSessionHeaderFields[] = {
    {.name = "name",
     .type = FieldType::kString,
     .description = "Name of the header.",
     .required = true,
     .min = 1,
     .max = 256,
     .format = &kShortHeaderName},
};
const Schema kSessionHeader{"a session header", "The header that holds the instance.",
                            kSessionHeaderFields};

void session_kind_fits(const Node& node, const Report& report) {
  const std::string_view type = node.text_of("type");
  if (type.empty()) return;  // reported
  for (const auto& [of, field] : {std::pair("Cookie", "cookie"), std::pair("Header", "header")}) {
    const Node* value = node.find(field);
    if (value && type != of) {
      report(value->at, field, fmt::format("does not belong to type {}", type));
    } else if (!value && type == of) {
      report(node.at, field, fmt::format("required by type {}", type));
    }
  }
}
void permanent_cookies_end(const Node& node, const Report& report) {
  const Node* cookie = node.find("cookie");
  if (cookie && cookie->text_of("lifetimeType") == "Permanent" && !node.find("absoluteTimeout")) {
    report(node.at, "absoluteTimeout", "required by a cookie of lifetimeType Permanent",
           "for example 1h");
  }
}
constexpr Rule kSessionRules[] = {
    {"`cookie` is there for type Cookie, `header` for type Header, and only then.",
     session_kind_fits},
    {"A permanent cookie needs absoluteTimeout.", permanent_cookies_end}};
constexpr Field kSessionFields[] = {
    {.name = "type",
     .type = FieldType::kEnum,
     .description = "What holds the instance.",
     .default_value = "\"Cookie\"",
     .values = kSessionTypes},
    {.name = "absoluteTimeout",
     .type = FieldType::kString,
     .description = "After this long the client is free again.",
     .format = &kGatewayDuration,
     .unit = "duration"},
    {.name = "cookie",
     .type = FieldType::kObject,
     .description = "The cookie, for type Cookie.",
     .object = &kCookie},
    {.name = "header",
     .type = FieldType::kObject,
     .description = "The header, for type Header.",
     .object = &kSessionHeader},
};

struct FilterType {
  const char* type;
  const char* field;
  bool once;
};
constexpr auto kFilterTypes = std::to_array<FilterType>({
    {"RequestHeaderModifier", "requestHeaderModifier", true},
    {"ResponseHeaderModifier", "responseHeaderModifier", true},
    {"RequestRedirect", "requestRedirect", true},
    {"URLRewrite", "urlRewrite", true},
    {"CORS", "cors", true},
    {"RequestMirror", "requestMirror", false},
    {"ExtensionRef", "extensionRef", false},
    {"ExternalAuth", "externalAuth", false},
});

void field_is_the_types(const Node& filter, const Report& report) {
  const std::string_view type = filter.text_of("type");
  if (type.empty()) return;  // reported
  for (const FilterType& one : kFilterTypes) {
    const Node* value = filter.find(one.field);
    if (value && type != one.type) {
      report(value->at, one.field, fmt::format("does not belong to type {}", type));
    } else if (!value && type == one.type) {
      report(filter.at, one.field, fmt::format("required by type {}", type));
    }
  }
}

void filters_are_not_repeated(const Node& filters, const Report& report) {
  std::map<std::string_view, size_t> seen;
  for (size_t i = 0; i < filters.items.size(); ++i) {
    const std::string_view type = filters.items[i].text_of("type");
    const bool once = std::ranges::any_of(
        kFilterTypes, [&](const FilterType& one) { return one.once && one.type == type; });
    if (once && !seen.try_emplace(type, i).second) {
      report(filters.items[i].at, fmt::format("[{}]", i),
             fmt::format("a second {} in this list", type), "join the two");
    }
  }
}

void redirect_or_rewrite(const Node& filters, const Report& report) {
  const auto has = [&](std::string_view type) {
    return std::ranges::any_of(filters.items,
                               [&](const Node& one) { return one.text_of("type") == type; });
  };
  if (!has("RequestRedirect") || !has("URLRewrite")) return;
  report(filters.at, "", "RequestRedirect and URLRewrite exclude each other",
         "a redirected request goes to no backend");
}

}  // namespace

const Schema kHeaderModifierSchema{"a header modifier", "Changes to headers.", kModifierFields};
const Schema kMirrorSchema{"a mirror", "Copies of requests.", kMirrorFields, kMirrorRules};
const Schema kSessionPersistenceSchema{"sessionPersistence", "Keep a client on one instance.",
                                       kSessionFields, kSessionRules};
const Rule kFilterRules[1] = {
    {"A filter has the field of its type, and no other.", field_is_the_types}};
const Rule kFilterListRules[2] = {
    {"RequestHeaderModifier, ResponseHeaderModifier, RequestRedirect, URLRewrite and CORS are "
     "there "
     "at most once each.",
     filters_are_not_repeated},
    {"RequestRedirect and URLRewrite exclude each other.", redirect_or_rewrite}};

}  // namespace weft::control
