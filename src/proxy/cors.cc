// Where the standard leaves a choice between "*" and the request's own words, "*" is said only if nothing
// else would do the same: a browser takes "*" for no wildcard when credentials are sent, and never as a
// name for Authorization. Answers that depend on the Origin say so to caches (Vary), whatever it was.
#include "proxy/cors.h"

#include <algorithm>
#include <vector>

#include "base/text.h"

namespace weft::proxy {
namespace {

constexpr std::string_view kAny = "*";

bool is_any(const std::vector<std::string>& list) { return list.size() == 1 && list[0] == kAny; }

std::string joined(const std::vector<std::string>& list) {
  std::string out;
  for (const std::string& one : list) out += (out.empty() ? "" : ", ") + one;
  return out;
}

struct Origin {
  std::string scheme, host;
  uint16_t port = 0;
};

// "https://shop.example:8443"; an opaque origin ("null") has no scheme.
Origin parse_origin(std::string_view text) {
  const size_t mark = text.find("://");
  if (mark == std::string_view::npos) return {};
  Origin out{.scheme = to_lower(text.substr(0, mark)), .host = {}, .port = 0};
  std::string_view host = text.substr(mark + 3);
  const size_t colon = host.rfind(':');
  // A colon inside brackets belongs to an IPv6 address.
  if (colon != std::string_view::npos && host.find(']', colon) == std::string_view::npos) {
    out.port = parse_port(host.substr(colon + 1)).value_or(0);
    host = host.substr(0, colon);
  } else {
    out.port = out.scheme == "https" ? 443 : 80;
  }
  out.host = to_lower(host);
  return out;
}

// "*" matches any host, "*.example" any name below it.
bool host_fits(std::string_view host, std::string_view pattern) {
  if (!pattern.starts_with(kAny)) return host == pattern;
  pattern.remove_prefix(1);
  return host.size() > pattern.size() && host.ends_with(pattern);
}

// All origins get the same answer.
bool open_to_all(const model::Cors& cors) {
  return is_any(cors.allow_origins) && !cors.allow_credentials;
}

void vary_by_origin(wire::Fields& fields) {
  if (fields.has_token("vary", "origin") || fields.has_token("vary", kAny)) return;
  fields.add("vary", "Origin");
}

void allow_origin(const model::Cors& cors, std::string_view origin, wire::Fields& fields) {
  fields.add("access-control-allow-origin", open_to_all(cors) ? kAny : origin);
  if (cors.allow_credentials) fields.add("access-control-allow-credentials", "true");
}

// What "*" stands for in an answer: the words of the request, or itself.
void allow(std::string_view name, const std::vector<std::string>& list, std::string_view asked,
           bool credentials, wire::Fields& fields) {
  if (!is_any(list)) {
    if (!list.empty()) fields.add(name, joined(list));
  } else if (!asked.empty()) {
    fields.add(name, asked);
  } else if (!credentials) {
    fields.add(name, kAny);
  }
}

bool is_cors_field(std::string_view name) {
  return name.size() > 15 && wire::equal_ignoring_case(name.substr(0, 15), "access-control-");
}

// With credentials "*" means nothing to a browser: the names that are there, one by one.
std::string names_of(const wire::Fields& fields) {
  std::vector<std::string> names;
  for (const auto& [name, value] : fields) {
    std::string lower = to_lower(name);
    if (lower == "set-cookie" || is_cors_field(lower)) continue;
    if (std::ranges::find(names, lower) == names.end()) names.push_back(std::move(lower));
  }
  return joined(names);
}

}  // namespace

bool is_preflight(const wire::RequestHead& head) {
  return head.method == "OPTIONS" && head.fields.has("origin") &&
         head.fields.has("access-control-request-method");
}

std::string_view announced_method(const wire::RequestHead& head) {
  return head.fields.get("access-control-request-method").value_or("");
}

bool origin_allowed(const model::Cors& cors, std::string_view origin) {
  if (origin.empty()) return false;
  if (is_any(cors.allow_origins)) return true;
  const Origin asked = parse_origin(origin);
  if (asked.scheme.empty()) return false;
  return std::ranges::any_of(cors.allow_origins, [&](const std::string& pattern) {
    const Origin allowed = parse_origin(pattern);
    return asked.scheme == allowed.scheme && asked.port == allowed.port &&
           host_fits(asked.host, allowed.host);
  });
}

wire::Fields preflight_answer(const model::Cors& cors, const wire::RequestHead& head) {
  wire::Fields fields;
  const std::string_view origin = head.fields.get("origin").value_or("");
  if (origin_allowed(cors, origin)) {
    allow_origin(cors, origin, fields);
    allow("access-control-allow-methods", cors.allow_methods, announced_method(head),
          cors.allow_credentials, fields);
    allow("access-control-allow-headers", cors.allow_headers,
          head.fields.get("access-control-request-headers").value_or(""), cors.allow_credentials,
          fields);
    fields.add("access-control-max-age", std::to_string(cors.max_age.ns / Duration::seconds(1).ns));
  }
  if (!open_to_all(cors)) vary_by_origin(fields);
  return fields;
}

void mark_answer(const model::Cors& cors, std::string_view origin, wire::Fields& fields) {
  fields.remove_if([](const wire::Fields::Line& line) { return is_cors_field(line.name); });
  if (!open_to_all(cors)) vary_by_origin(fields);
  if (!origin_allowed(cors, origin)) return;
  std::string exposed = joined(cors.expose_headers);
  if (is_any(cors.expose_headers) && cors.allow_credentials) exposed = names_of(fields);
  allow_origin(cors, origin, fields);
  if (!exposed.empty()) fields.add("access-control-expose-headers", exposed);
}

}  // namespace weft::proxy
