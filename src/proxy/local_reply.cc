// One place turns failures into answers, so that status, text and flags agree everywhere.
#include "proxy/local_reply.h"

#include "http/grpc_status.h"
#include "proxy/field_rules.h"

namespace weft::proxy {
namespace {

void add_all(wire::Fields& to, const wire::Fields& from) {
  for (const wire::Fields::Line line : from) to.add(line.name, line.value);
}

}  // namespace

http::GrpcStatus LocalReply::grpc() const {
  if (grpc_status) return *grpc_status;
  switch (status) {
    case 403: return http::GrpcStatus::kPermissionDenied;
    case 404: return http::GrpcStatus::kUnimplemented;
    case 504: return http::GrpcStatus::kDeadlineExceeded;
    case 500: return http::GrpcStatus::kInternal;
    case 501: return http::GrpcStatus::kUnimplemented;
    default: return http::GrpcStatus::kUnavailable;
  }
}

io::Task<void> send_reply(http::ServerStream& down, LocalReply reply,
                          std::string_view unprocessed) {
  wire::ResponseHead head;
  head.version = down.request().version;
  if (is_grpc(down.request().fields)) {
    head.status = 200;
    head.fields.add("content-type", "application/grpc");
    http::add_grpc_status(head.fields, reply.grpc(), reply.text);
    add_all(head.fields, reply.fields);
    add_all(head.fields, reply.grpc_fields);
    if (!unprocessed.empty()) head.fields.add(kUnprocessedField, unprocessed);
    down.send_response(head, true);
    co_return;
  }
  // RFC 9110 sections 15.3.5 and 15.4.5.
  const bool empty = reply.status == 204 || reply.status == 304;
  std::string body = empty ? "" : reply.text + "\n";
  head.status = reply.status;
  if (!empty) {
    head.fields.add("content-type", "text/plain; charset=utf-8");
    head.fields.add("content-length", std::to_string(body.size()));
  }
  if (!reply.location.empty()) head.fields.add("location", reply.location);
  if (reply.later) head.fields.add("retry-after", "1");
  add_all(head.fields, reply.fields);
  if (!unprocessed.empty()) head.fields.add(kUnprocessedField, unprocessed);
  if (!empty) head.length = {wire::BodyLength::kSized, body.size()};
  bool no_body = empty || down.request().method == "HEAD";
  down.send_response(head, no_body);
  if (no_body) co_return;
  if (co_await down.send_body(Buffer(body))) down.finish();
}

LocalReply overloaded_reply(std::string_view cause) {
  return {.status = 503,
          .text = "weft: the sidecar is overloaded (" + std::string(cause) + ")",
          .flags = "OM",
          .grpc_status = http::GrpcStatus::kResourceExhausted,
          .later = true};
}

// What the fault asks for in the caller's protocol, by the tables of both: google.rpc.Code to HTTP, gRPC's
// "HTTP to gRPC Status Code Mapping".
LocalReply abort_reply(const model::Fault& fault) {
  LocalReply reply;
  reply.text = "weft: fault policy " + fault.policy + " aborts this request";
  reply.flags = "FI";
  if (fault.abort_grpc_status >= 0) {
    reply.grpc_status = static_cast<http::GrpcStatus>(fault.abort_grpc_status);
    reply.status = http::http_status_of_grpc(*reply.grpc_status);
  } else {
    reply.status = fault.abort_http_status;
    reply.grpc_status = http::grpc_status_of_http(reply.status);
  }
  return reply;
}

LocalReply reply_for(const Error& error, std::string_view what) {
  std::string where(what);
  switch (error.kind()) {
    case ErrorKind::kTimeout: return {504, "weft: " + where + " did not answer in time", "UT"};
    case ErrorKind::kDenied: return {403, "weft: " + error.message(), "UAEX"};
    case ErrorKind::kUnauthenticated:
      return {503, "weft: " + where + " did not show the identity it must have", "UF"};
    case ErrorKind::kRefused: return {503, "weft: " + where + " refuses connections", "UF"};
    case ErrorKind::kReset:
    case ErrorKind::kClosed: return {502, "weft: " + where + " broke off before it answered", "UC"};
    case ErrorKind::kProtocol:
      // Of the handshake: nothing was sent.
      if (error.retry() == Retry::kYes)
        return {503, "weft: " + where + " does not speak the TLS or the protocol it should", "UF"};
      [[fallthrough]];
    case ErrorKind::kInvalid:
      return {502, "weft: " + where + " sent an answer that is not valid HTTP", "UPE"};
    case ErrorKind::kLimit:
      if (error.source() == ErrorSource::kUpstream)
        return {502, "weft: " + where + " sent an answer beyond all limits", "UPE"};
      // The far sidecar sheds load, or a bound of ours was reached.
      return {503, "weft: " + error.message(), "UO",
              error.retry() == Retry::kYes ? http::GrpcStatus::kResourceExhausted
                                           : http::GrpcStatus::kUnavailable,
              true};
    case ErrorKind::kUnsupported: return {501, "weft: " + error.message(), "DPE"};
    default: return {503, "weft: " + where + " cannot be reached", "UF"};
  }
}

}  // namespace weft::proxy
