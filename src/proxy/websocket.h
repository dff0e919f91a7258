// WebSocket handshakes from one version of HTTP to the other (RFC 6455 section 4, RFC 8441 section 5): an
// Upgrade of HTTP/1.1 and an extended CONNECT of HTTP/2 ask for the same thing. Everything else about the
// handshake (subprotocols, extensions, version) means the same in both and is left alone; only the key, which
// shows that an HTTP/1.1 server has understood, has no place in HTTP/2. Pure functions.
#pragma once

#include <string>
#include <string_view>

#include "base/random.h"
#include "wire/message.h"

namespace weft::proxy {

// An extended CONNECT for a WebSocket, or an Upgrade to one.
bool is_websocket(const wire::RequestHead& head);

// What a server that speaks WebSocket answers to this key.
std::string websocket_accept(std::string_view key);

// Extended CONNECT → Upgrade, with a key of ours. Returns what the answer must accept it with.
std::string upgrade_from_connect(wire::RequestHead& head, Random& random);
// The answer to such an Upgrade, for who sent the CONNECT: 101 becomes 200. False: it agrees to something
// without having understood.
bool answer_to_connect(wire::ResponseHead& head, std::string_view accept);

// Upgrade → extended CONNECT. Returns what to accept the client's key with; empty when it has not sent exactly
// one of 16 octets.
std::string connect_from_upgrade(wire::RequestHead& head);
// The answer to such a CONNECT, for who asked for the Upgrade: 2xx becomes 101.
void answer_to_upgrade(wire::ResponseHead& head, std::string_view accept);

}  // namespace weft::proxy
