// gRPC status on the wire: grpc-status and grpc-message in trailers (or in the head of a trailers-only
// answer), the message percent-encoded (gRPC over HTTP/2, "Responses"). Pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "http/grpc.h"
#include "wire/message.h"

namespace weft::http {

void add_grpc_status(wire::Fields& fields, GrpcStatus status, std::string_view message);
// OK, or the error that the trailers tell. Without grpc-status: kUnknown as gRPC asks.
Result<> grpc_result(const wire::Fields& trailers);
Error error_of_grpc(GrpcStatus status, std::string_view message);

// The value of grpc-timeout: up to eight digits and a unit (H M S m u n). Nothing if it is malformed or
// longer than 292 years.
std::optional<Duration> parse_grpc_timeout(std::string_view text);

// The same the other way, rounded down to what eight digits of the finest unit can say; nothing below zero.
std::string format_grpc_timeout(Duration timeout);

std::string percent_encode_message(std::string_view message);
std::string percent_decode_message(std::string_view text);

}  // namespace weft::http
