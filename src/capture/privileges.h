// What the app may do. Without root it holds no capability at all; as root it keeps those a server
// needs (bind, change uid, chown ...) and loses those that would let it leave: enter another namespace,
// change the ruleset, read another process, load code into the kernel, reach devices.
#pragma once

#include "base/result.h"

namespace weft::capture {

// Does the calling thread hold CAP_SYS_ADMIN where it is?
bool may_administer();

// The bounding set of this process and all it starts. `as_root`: everything but what would let the app
// leave. Otherwise only CAP_NET_BIND_SERVICE and CAP_NET_RAW stay in the *bounding* set: without them
// the kernel refuses to execute programs that carry them as file capabilities (ping; node with setcap),
// and inside they give nothing. Needs CAP_SETPCAP.
Result<void> limit_future_capabilities(bool as_root);

// Keeps exactly CAP_NET_ADMIN: what marking the sidecar's sockets takes.
Result<void> keep_only_net_admin();

// Hands CAP_NET_ADMIN to the program executed next, which a user id other than 0 would lose. For the
// child that becomes nft; async-signal-safe. Returns an errno value, 0 when done.
int pass_on_net_admin();

// Drops everything that is not in the bounding set (as root), or everything (otherwise). For the child
// that becomes the app; async-signal-safe. Returns an errno value, 0 when done.
int drop_capabilities_for_app(bool as_root);

}  // namespace weft::capture
