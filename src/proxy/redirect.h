// Redirects and rewrites of the Gateway API (HTTPRequestRedirectFilter, HTTPURLRewriteFilter): what a
// request's URL becomes. Pure.
#pragma once

#include <string>
#include <string_view>

#include "model/service.h"

namespace weft::proxy {

// The request as it came in.
struct RequestUrl {
  std::string_view scheme;  // "http"
  std::string_view host;    // without port
  uint16_t port = 0;        // it came to
  std::string_view target;  // path and query
  // Of the rule's PathPrefix match; what PathRewrite::kPrefix replaces.
  std::string_view prefix;
};

// The value of Location: absolute, without a port that is the scheme's own, the query kept.
std::string location_of(const model::Redirect& redirect, const RequestUrl& url);

// The target after the rewrite, the query kept.
std::string rewritten_target(const model::PathRewrite& rewrite, std::string_view target,
                             std::string_view prefix);

}  // namespace weft::proxy
