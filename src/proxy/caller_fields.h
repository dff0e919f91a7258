// What a sidecar says of a caller to who serves it, and what it does not let others say. Pure functions.
//
//   x-request-id             kept when there is one, else a random UUID (RFC 9562, version 4)
//   x-forwarded-client-cert  By=SPIFFE-ID of who serves;URI=SPIFFE-ID of who calls, from the certificates
//                            of the hop (the form Envoy gave it). Whatever came under this name is removed,
//                            on the way out and on the way in. A Gateway that has verified a client says
//                            By=SPIFFE-ID of the Gateway;Hash=…;Subject="…";URI=…;DNS=… of its certificate,
//                            and that stays in front: nobody else than a Gateway is believed.
//
// A gateway (worker.h, Presence) says more, because it stands between strangers:
//   x-forwarded-for          the address the request came from; what the client claimed is removed
//   x-forwarded-proto        http or https
//   via                      "1.1 weft", after what is there (RFC 9110 section 7.6.3)
//   x-envoy-*, forwarded, x-forwarded-host, -port, x-real-ip: a stranger's word, removed
//   date                     of answers that had none (RFC 9110 section 6.6.1)
#pragma once

#include <string>
#include <string_view>

#include "base/random.h"
#include "base/time.h"
#include "http/exchange.h"
#include "wire/message.h"

namespace weft::proxy {

inline constexpr std::string_view kRequestId = "x-request-id";
inline constexpr std::string_view kClientCert = "x-forwarded-client-cert";

// The id the request has from now on.
std::string keep_or_make_request_id(wire::Fields& fields, Random& random);
// Replaces what is said of the caller's identity by what its certificate said; empty: by nothing.
void say_identity(wire::Fields& fields, std::string_view caller, std::string_view self);
// The same at a Gateway, of a client from outside: what was verified of its certificate; empty: nothing.
void say_client(wire::Fields& fields, std::string_view certificate, std::string_view self);

// After hop-by-hop fields were removed, so that no Connection field takes these away.
void present_request(wire::RequestHead& head, const http::ConnectionInfo& from);
void present_response(wire::ResponseHead& head, WallTime now);

// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 section 5.6.7).
std::string http_date(WallTime time);

}  // namespace weft::proxy
