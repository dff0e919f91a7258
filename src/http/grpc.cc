// Calls over our own exchanges: a thin layer that frames messages and turns trailers into results. One
// copy per message (body piece → message string); discovery traffic is small, the request path of a
// sidecar does not come through here.
#include "http/grpc.h"

#include <utility>

#include "base/assert.h"
#include "http/grpc_status.h"
#include "io/event.h"

namespace weft::http {

namespace {
constexpr std::string_view kContentType = "application/grpc";
}  // namespace

struct GrpcCall::Impl {
  ClientStreamPtr stream;
  GrpcFrameReader frames;
  bool head_read = false;
  bool ended = false;
  wire::Fields status_fields;

  // What the end of the answer says, once all messages are out.
  Result<std::optional<std::string>> end() const {
    if (auto outcome = grpc_result(status_fields); !outcome) {
      return std::unexpected(std::move(outcome.error()));
    }
    if (!frames.idle()) {
      return fail(ErrorKind::kProtocol, "the gRPC answer ends inside a message",
                  ErrorSource::kUpstream);
    }
    return std::nullopt;
  }
};

GrpcCall::GrpcCall(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
GrpcCall::~GrpcCall() = default;

Result<std::unique_ptr<GrpcCall>> GrpcCall::open(ClientConnection& connection,
                                                 std::string_view path,
                                                 std::string_view authority) {
  wire::RequestHead head;
  head.method = "POST";
  head.target = path;
  head.authority = authority;
  head.scheme = connection.info().tls ? "https" : "http";
  head.version = wire::Version::kHttp2;
  head.fields.add("content-type", kContentType);
  head.fields.add("te", "trailers");
  head.length.kind = wire::BodyLength::kStreamed;
  auto stream = connection.open(head, false);
  if (!stream) return std::unexpected(std::move(stream.error()));
  auto impl = std::make_unique<Impl>();
  impl->stream = std::move(*stream);
  return std::unique_ptr<GrpcCall>(new GrpcCall(std::move(impl)));
}

io::Task<Result<void>> GrpcCall::write(std::string message) {
  co_return co_await impl_->stream->send_body(Buffer(grpc_frame(message)));
}

void GrpcCall::writes_done() { impl_->stream->finish(); }

io::Task<Result<std::optional<std::string>>> GrpcCall::read() {
  Impl& call = *impl_;
  while (!call.head_read) {
    auto head = co_await call.stream->read_head();
    if (!head) co_return std::unexpected(std::move(head.error()));
    if (head->interim()) continue;
    call.head_read = true;
    if (head->status != 200) {
      co_return std::unexpected(error_of_grpc(grpc_status_of_http(head->status),
                                              "HTTP status " + std::to_string(head->status)));
    }
    call.status_fields = std::move(head->fields);
  }
  for (;;) {
    auto message = call.frames.next();
    if (!message) co_return std::unexpected(std::move(message.error()));
    if (*message) co_return std::move(*message);
    if (call.ended) co_return call.end();
    auto piece = co_await call.stream->read_body();
    if (!piece) co_return std::unexpected(std::move(piece.error()));
    call.frames.receive(piece->data.view());
    if (!piece->end) continue;
    call.ended = true;
    // A trailers-only answer has its status in the head.
    if (!call.status_fields.has("grpc-status")) call.status_fields = std::move(piece->trailers);
  }
}

namespace {

io::Task<void> unary_exchange(ClientConnection& connection, std::string path, std::string authority,
                              std::string request, Result<std::string>& answer, io::Event& done) {
  auto call = GrpcCall::open(connection, path, authority);
  if (!call) {
    answer = std::unexpected(std::move(call.error()));
  } else if (auto sent = co_await (*call)->write(std::move(request)); !sent) {
    answer = std::unexpected(std::move(sent.error()));
  } else {
    (*call)->writes_done();
    auto message = co_await (*call)->read();
    if (!message) {
      answer = std::unexpected(std::move(message.error()));
    } else if (!*message) {
      answer = fail(ErrorKind::kProtocol, "the call was answered without a message",
                    ErrorSource::kUpstream);
    } else {
      answer = std::move(**message);
      // The status stands behind the message: a call that failed after it has failed.
      auto end = co_await (*call)->read();
      if (!end) answer = std::unexpected(std::move(end.error()));
    }
  }
  done.set();
}

}  // namespace

io::Task<Result<std::string>> grpc_unary(io::Loop& loop, ClientConnection& connection,
                                         std::string path, std::string authority,
                                         std::string request, Duration timeout) {
  Result<std::string> answer =
      fail(ErrorKind::kTimeout, path + " was not answered in time", ErrorSource::kUpstream);
  io::Event done(loop);
  io::TaskScope scope;  // destroyed first: a late exchange is cancelled with its stream
  scope.spawn(
      unary_exchange(connection, path, std::move(authority), std::move(request), answer, done));
  co_await done.wait_for(timeout);
  scope.cancel_all();
  co_return std::move(answer);
}

struct GrpcServerCall::Impl {
  ServerStreamPtr stream;
  GrpcFrameReader frames;
  bool request_ended = false;
  bool response_started = false;
  bool finished = false;
};

GrpcServerCall::GrpcServerCall(ServerStreamPtr stream) : impl_(std::make_unique<Impl>()) {
  impl_->stream = std::move(stream);
}
GrpcServerCall::~GrpcServerCall() = default;

std::string_view GrpcServerCall::path() const { return impl_->stream->request().target; }
const ConnectionInfo& GrpcServerCall::connection() const { return impl_->stream->connection(); }

io::Task<Result<std::optional<std::string>>> GrpcServerCall::read() {
  Impl& call = *impl_;
  for (;;) {
    auto message = call.frames.next();
    if (!message) co_return std::unexpected(std::move(message.error()));
    if (*message) co_return std::move(*message);
    if (call.request_ended) co_return std::nullopt;
    auto piece = co_await call.stream->read_body();
    if (!piece) co_return std::unexpected(std::move(piece.error()));
    call.frames.receive(piece->data.view());
    call.request_ended = piece->end;
  }
}

namespace {

wire::ResponseHead response_head() {
  wire::ResponseHead head;
  head.status = 200;
  head.version = wire::Version::kHttp2;
  head.fields.add("content-type", kContentType);
  head.length.kind = wire::BodyLength::kStreamed;
  return head;
}

}  // namespace

io::Task<Result<void>> GrpcServerCall::write(std::string message) {
  if (!impl_->response_started) {
    impl_->stream->send_response(response_head(), false);
    impl_->response_started = true;
  }
  co_return co_await impl_->stream->send_body(Buffer(grpc_frame(message)));
}

void GrpcServerCall::finish(GrpcStatus status, std::string_view message) {
  WEFT_ASSERT(!impl_->finished);
  impl_->finished = true;
  if (!impl_->response_started) {  // trailers-only
    wire::ResponseHead head = response_head();
    add_grpc_status(head.fields, status, message);
    head.length.kind = wire::BodyLength::kNone;
    impl_->stream->send_response(head, true);
    return;
  }
  wire::Fields trailers;
  add_grpc_status(trailers, status, message);
  impl_->stream->finish(std::move(trailers));
}

}  // namespace weft::http
