// The exchange runs in a scope of its own so that the timeout can cut it wherever it waits.
#include "http/simple_client.h"

#include <utility>

#include "http/client.h"
#include "io/event.h"

namespace weft::http {

namespace {

constexpr size_t kMaxAnswer = 64 * 1024 * 1024;

io::Task<Result<io::StreamPtr>> dial(io::Network& network, FetchTarget target, Duration timeout) {
  if (const auto* path = std::get_if<std::string>(&target)) {
    co_return co_await network.connect_unix(*path, timeout);
  }
  co_return co_await network.connect(std::get<SocketAddress>(target), timeout);
}

io::Task<Result<FetchResponse>> read_answer(ClientStream& stream) {
  FetchResponse response;
  for (;;) {
    auto head = co_await stream.read_head();
    if (!head) co_return std::unexpected(std::move(head.error()));
    if (head->interim()) continue;
    response.status = head->status;
    response.fields = std::move(head->fields);
    break;
  }
  for (;;) {
    auto piece = co_await stream.read_body();
    if (!piece) co_return std::unexpected(std::move(piece.error()));
    response.body += piece->data.view();
    if (response.body.size() > kMaxAnswer) {
      co_return fail(ErrorKind::kLimit, "the answer is larger than 64 MiB", ErrorSource::kUpstream);
    }
    if (piece->end) co_return response;
  }
}

io::Task<Result<FetchResponse>> exchange(io::Loop& loop, io::Network& network, FetchTarget target,
                                         wire::RequestHead head, std::string body,
                                         Duration timeout) {
  auto transport = co_await dial(network, std::move(target), timeout);
  if (!transport) co_return std::unexpected(std::move(transport.error()));

  if (head.authority.empty()) head.authority = "localhost";
  if (!head.fields.has("Host")) head.fields.add("Host", head.authority);
  head.fields.set("Connection", "close");
  head.length = {};
  if (!body.empty()) {
    head.fields.set("Content-Length", std::to_string(body.size()));
    head.length = {.kind = wire::BodyLength::kSized, .size = body.size()};
  }

  auto connection =
      connect_http(loop, std::move(*transport), ClientProtocol::kHttp1, {}, {}, [] {});
  auto stream = connection->open(head, body.empty());
  if (!stream) co_return std::unexpected(std::move(stream.error()));
  if (!body.empty()) {
    // A server may answer (413, 403) before it has read everything: its answer is what counts.
    auto sent = co_await (*stream)->send_body(Buffer(body));
    if (sent) (*stream)->finish();
  }
  co_return co_await read_answer(**stream);
}

io::Task<void> exchange_into(io::Task<Result<FetchResponse>> work, Result<FetchResponse>& result,
                             io::Event& done) {
  result = co_await std::move(work);
  done.set();
}

}  // namespace

io::Task<Result<FetchResponse>> fetch(io::Loop& loop, io::Network& network, FetchTarget target,
                                      wire::RequestHead head, std::string body, Duration timeout) {
  Result<FetchResponse> result =
      fail(ErrorKind::kTimeout, "no answer in time", ErrorSource::kUpstream);
  io::Event done(loop);
  io::TaskScope scope;
  scope.spawn(exchange_into(
      exchange(loop, network, std::move(target), std::move(head), std::move(body), timeout), result,
      done));
  co_await done.wait_for(timeout);
  scope.cancel_all();
  co_return std::move(result);
}

}  // namespace weft::http
