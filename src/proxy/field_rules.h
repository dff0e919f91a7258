// What happens to field lines on their way through a sidecar. A sidecar is meant not to be noticed, so
// the rules are few:
//  - fields that concern one connection only end here (RFC 9110 section 7.6.1), and fields named weft-*
//    belong to the hop between sidecars and are removed from what apps send: wire/h1_over_h2.h does both;
//  - a route's modifiers are applied; traceparent is continued or created, x-request-id kept or made, and
//    x-forwarded-client-cert says who calls: see caller_fields.h;
//  - nothing else is added: no Via (a sidecar acts for its own app, as part of it), no X-Forwarded-For
//    (what an app sends under this name goes through as its own word). A gateway does add them.
// Pure functions.
#pragma once

#include <string>
#include <string_view>

#include "model/service.h"
#include "wire/message.h"

namespace weft::proxy {

void apply_modifier(const model::HeaderModifier& modifier, wire::Fields& fields);

// "Connection: upgrade" with an Upgrade field (HTTP/1.1 only), or CONNECT of either kind. Not for h2c, which would carry
// requests past routes and policies, and not for a request with content, whose octets would come first.
bool wants_upgrade(const wire::RequestHead& head);
// CONNECT to a host and port, not to a path (RFC 8441): shows nothing of what passes through it.
bool is_plain_connect(const wire::RequestHead& head);
// The answer to such a request: ends what concerned the connection it came on. One that grants no upgrade
// is an ordinary one.
void clean_upgrade_answer(wire::ResponseHead& head, bool end);
// content-type application/grpc, application/grpc+proto and so on; not application/grpc-web.
bool is_grpc(const wire::Fields& fields);

}  // namespace weft::proxy
