// Session persistence (Gateway API GEP-1619): the token by which a client stays with the instance that served it
// first. It is opaque: tags in place of names, hashed with what only the mesh knows, and the moments that
// timeouts need. It is not signed: who makes one up chooses an instance, which is no right.
//
// Every sidecar and gateway of a trust domain makes and understands the same tokens, so a session survives
// restarts of all but its instance. Sessions are of one rule of one route, or of one Service: another rule with
// the same backends does not know the tags.
//
// Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "model/service.h"

namespace weft::steer {

// `secret` is of the trust domain.
uint64_t backend_tag(std::string_view secret, const model::RouteRule& rule,
                     const model::Backend& backend);
// Of a Service's own sessions, whichever route sends there.
uint64_t service_tag(std::string_view secret, const model::ServiceName& service, uint16_t port);
uint64_t instance_tag(uint64_t backend, std::string_view workload);

struct SessionToken {
  uint64_t backend = 0, instance = 0;  // tags
  WallTime created, used;              // to a millisecond

  std::string encode() const;  // 56 hexadecimal digits
  // Nothing when the text is no token.
  static std::optional<SessionToken> decode(std::string_view text);
};

// Does a session still hold at this moment?
bool session_holds(const SessionToken& token, const model::SessionPersistence& rules, WallTime now);

// The value of Set-Cookie. `secure`: the client came over TLS.
std::string session_cookie(const SessionToken& token, const model::SessionPersistence& rules,
                           WallTime now, bool secure);

}  // namespace weft::steer
