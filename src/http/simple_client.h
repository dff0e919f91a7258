// One request, one answer, done: for the CLI and for tests. Dials, speaks HTTP/1.1, reads the whole
// answer (bounded), hangs up.
#pragma once

#include <string>
#include <variant>

#include "base/ip.h"
#include "base/time.h"
#include "io/loop.h"
#include "io/network.h"
#include "io/task.h"
#include "wire/message.h"

namespace weft::http {

// A Unix socket's path, or a TCP address.
using FetchTarget = std::variant<std::string, SocketAddress>;

struct FetchResponse {
  int status = 0;
  wire::Fields fields;
  std::string body;
};

// Content-Length (from `body`), Connection and a missing Host are added; the rest of `head` goes as it
// is. Errors of dialling carry retry = kYes. An answer above 64 MiB is a kLimit error.
io::Task<Result<FetchResponse>> fetch(io::Loop& loop, io::Network& network, FetchTarget target,
                                      wire::RequestHead head, std::string body, Duration timeout);

}  // namespace weft::http
