// The rule about ports: one that is named counts; else a scheme that is named brings its own; else the port
// the request came to stays (GEP-726).
#include "proxy/redirect.h"

#include "proxy/router.h"

namespace weft::proxy {
namespace {

uint16_t port_of_scheme(std::string_view scheme) { return scheme == "https" ? 443 : 80; }

std::string rewritten_path(const model::PathRewrite& rewrite, std::string_view path,
                           std::string_view prefix) {
  std::string out;
  switch (rewrite.kind) {
    case model::PathRewrite::kNone: return std::string(path);
    case model::PathRewrite::kFull: out = rewrite.value; break;
    case model::PathRewrite::kPrefix: {
      // By element: one slash between what is put in front and what is left.
      std::string_view front = rewrite.value;
      while (front.ends_with('/')) front.remove_suffix(1);
      while (prefix.ends_with('/')) prefix.remove_suffix(1);
      out = front;
      out += path.starts_with(prefix) ? path.substr(prefix.size()) : path;
      break;
    }
  }
  return out.starts_with('/') ? out : "/" + out;
}

}  // namespace

std::string rewritten_target(const model::PathRewrite& rewrite, std::string_view target,
                             std::string_view prefix) {
  std::string out = rewritten_path(rewrite, path_of(target), prefix);
  if (const size_t query = target.find('?'); query != std::string_view::npos) {
    out += target.substr(query);
  }
  return out;
}

std::string location_of(const model::Redirect& redirect, const RequestUrl& url) {
  const std::string scheme = redirect.scheme.empty() ? std::string(url.scheme) : redirect.scheme;
  uint16_t port = redirect.port;
  if (port == 0) port = redirect.scheme.empty() ? url.port : port_of_scheme(scheme);
  std::string out = scheme + "://";
  out += redirect.hostname.empty() ? std::string(url.host) : redirect.hostname;
  if (port != port_of_scheme(scheme)) out += ":" + std::to_string(port);
  return out + rewritten_target(redirect.path, url.target, url.prefix);
}

}  // namespace weft::proxy
