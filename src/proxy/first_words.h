// What a client says first, where that decides where its connection goes: a ClientHello, HTTP, something
// else.
#pragma once

#include "base/buffer.h"
#include "base/time.h"
#include "io/loop.h"
#include "io/stream.h"
#include "io/task.h"
#include "proxy/destination.h"
#include "proxy/tcp_rules.h"
#include "wire/client_hello.h"

namespace weft::proxy {

// For a whole ClientHello.
inline constexpr Duration kHelloWait = Duration::seconds(10);

struct FirstWords {
  Buffer bytes;  // all that was read: to be given back to who serves (replay_stream.h)
  wire::ClientHello hello;
  bool http = false;
  bool ended = false;
};

// Reads until it is clear what the client says, at most for `limit`. `may_be_http`: to be told from HTTP, too.
io::Task<FirstWords> first_words(io::Loop& loop, io::Stream& client, bool may_be_http,
                                 Duration limit);

// Why words that are no usable ClientHello lead nowhere, for the log; and the alert that says so to a client
// that speaks TLS.
struct NoHello {
  std::string why;
  std::optional<wire::TlsAlert> alert;
};
NoHello no_hello(const FirstWords& words);
// A hello whose name (or lack of one) nothing fits.
NoHello no_such_name(const wire::ClientHello& hello);

// A client whose TLS goes nowhere reads why.
void refuse_tls(io::Loop& loop, io::StreamPtr client, wire::TlsAlert alert);

// The backend whose turn it is.
TcpChoice choice_of(const CompiledTcpRule& rule, Random& random);

}  // namespace weft::proxy
