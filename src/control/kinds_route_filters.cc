// Reading the filters that do more than change a request: copies, cross-origin answers; and sessions.
#include <fmt/format.h>

#include <algorithm>

#include "base/hash.h"
#include "control/duration.h"
#include "control/kinds_route.h"

namespace weft::control {
namespace {

constexpr int64_t kAll = 1'000'000;  // millionths: what sidecars count shares in

// Of attributes of Set-Cookie (RFC 6265, section 4.1.1): no control characters, no semicolon.
bool fits_in_cookie(std::string_view text) {
  return std::ranges::none_of(text, [](char c) { return c < 0x20 || c == 0x7f || c == ';'; });
}

}  // namespace

std::vector<MirrorRef> RouteReading::mirrors(const Node& parent, const std::string& path) {
  std::vector<MirrorRef> out;
  const std::vector<Node>& filters = items_of(parent, "filters");
  for (size_t i = 0; i < filters.size(); ++i) {
    const Node* node = filters[i].find("requestMirror");
    if (!node) continue;
    int64_t share = kAll;
    if (node->find("percent")) share = number_of(*node, "percent") * kAll / 100;
    if (const Node* fraction = node->find("fraction")) {
      const int64_t numerator = number_of(*fraction, "numerator");
      const int64_t denominator = number_of(*fraction, "denominator");
      share = numerator * kAll / denominator;
      if (share == 0 && numerator > 0) {
        hold(fmt::format("{}.filters[{}].requestMirror.fraction", path, i),
             "less than a millionth, the smallest share Weft carries out");
      }
    }
    out.push_back({.to = read_backend_ref(*node->find("backendRef"), meta()),
                   .share = static_cast<uint32_t>(share)});
  }
  return out;
}

void RouteReading::persistence(const Node& rule, const std::string& path, HttpRouteRule& out) {
  const Node* node = rule.find("sessionPersistence");
  if (!node) return;
  out.persistence = sessions(*node, path + ".sessionPersistence");
  std::string& name = out.persistence->name;
  if (name.empty()) {
    name = session_cookie_name(fmt::format("{}/{}/{}", meta().ns, meta().name, path));
  }
}

model::SessionPersistence RouteReading::sessions(const Node& node, const std::string& path) {
  model::SessionPersistence out;
  out.absolute_timeout =
      parse_gateway_duration(node.text_of("absoluteTimeout")).value_or(Duration{});
  if (const Node* header = node.find("header")) {
    out.header = true;
    out.name = header->text_of("name");
    return out;
  }
  const Node* cookie = node.find("cookie");
  if (!cookie) return out;  // reported
  out.name = cookie->text_of("name");
  out.path = cookie->text_of("path");
  if (!fits_in_cookie(out.path)) hold(path + ".cookie.path", "no cookie can have this path");
  out.permanent = cookie->text_of("lifetimeType") == "Permanent";
  return out;
}

std::string session_cookie_name(std::string_view of) {
  return fmt::format("weft-{:016x}", xxh64(of));
}

model::Cors read_cors(const Node& cors) {
  const Node* credentials = cors.find("allowCredentials");
  return {.allow_origins = texts_of(cors, "allowOrigins"),
          .allow_methods = texts_of(cors, "allowMethods"),
          .allow_headers = texts_of(cors, "allowHeaders"),
          .expose_headers = texts_of(cors, "exposeHeaders"),
          .allow_credentials = credentials && credentials->number != 0,
          .max_age = Duration::seconds(number_of(cors, "maxAge"))};
}

}  // namespace weft::control
