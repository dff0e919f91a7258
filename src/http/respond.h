// Small helpers for handlers that answer by themselves (status pages, APIs, error answers).
#pragma once

#include <string>
#include <string_view>

#include "http/exchange.h"

namespace weft::http {

// Sends a whole response with this body; a HEAD request gets the head alone. Adds no field but
// content-type and content-length. Waits while the peer is slow.
io::Task<Result<void>> respond(ServerStream& stream, int status, std::string content_type,
                               std::string body);

// Reads the whole request body; says "100 Continue" first when the client waits for it. kLimit when it
// is longer than `limit` octets: answer 413.
io::Task<Result<std::string>> read_all(ServerStream& stream, size_t limit);

// An HTTP/1.1 answer that ends the connection, for errors that belong to no request.
Buffer plain_answer(int status, std::string_view why);

}  // namespace weft::http
