// Reading an HTTPRoute whose table check passed.
#include <fmt/format.h>

#include "control/kinds.h"
#include "control/kinds_http_route.h"

namespace weft::control {
namespace {

// What sidecars take (xds/decode.cc).
constexpr uint32_t kMostAttempts = 10;

model::RouteMatch read_match(const Node& node, const std::string& path, RouteReading& reading) {
  model::RouteMatch out;
  if (const Node* path_node = node.find("path")) {
    const std::string_view type = path_node->text_of("type");
    const Node& value = *path_node->find("value");
    out.path.value = value.text;
    out.path.kind = type == "Exact"               ? model::PathMatch::kExact
                    : type == "RegularExpression" ? model::PathMatch::kRegex
                                                  : model::PathMatch::kPrefix;
    if (out.path.kind == model::PathMatch::kRegex) reading.check_regex(value, path + ".path.value");
  }
  out.method = node.text_of("method");
  out.headers = reading.strings(items_of(node, "headers"), path + ".headers", true);
  out.query = reading.strings(items_of(node, "queryParams"), path + ".queryParams", false);
  return out;
}

model::RetryPolicy read_retry(const Node& node, const std::string& path, RouteReading& reading) {
  model::RetryPolicy retry;
  for (const Node& code : items_of(node, "codes")) {
    retry.codes.push_back(static_cast<int>(code.number));
  }
  retry.attempts = number_of(node, "attempts");
  if (retry.attempts > kMostAttempts) {
    reading.hold(path + ".attempts", fmt::format("{} is more than Weft carries out: {}",
                                                 retry.attempts, kMostAttempts));
  }
  retry.backoff = reading.duration(node, "backoff", path, retry.backoff);
  return retry;
}

HttpRouteRule read_rule(const Node& node, const std::string& path, RouteReading& reading) {
  HttpRouteRule out;
  out.name = node.text_of("name");
  out.matches = reading.matches(node, path, read_match);
  if (out.matches.empty()) out.matches.emplace_back();
  reading.filters(node, path, out);
  reading.backends(node, path, out);
  reading.persistence(node, path, out);
  if (const Node* timeouts = node.find("timeouts")) {
    out.request_timeout = reading.duration(*timeouts, "request", path + ".timeouts");
    out.backend_timeout = reading.duration(*timeouts, "backendRequest", path + ".timeouts");
  }
  if (const Node* retry = node.find("retry")) {
    out.retry = read_retry(*retry, path + ".retry", reading);
  }
  return out;
}

}  // namespace

void read_http_route(const Node& document, std::string_view file, Object& object,
                     Problems& problems) {
  RouteReading reading(file, object, problems);
  object.spec = reading.route(*document.find("spec"), read_rule);
}

}  // namespace weft::control
