// One loop, one request: the CLI's whole conversation with the server.
#include <fmt/format.h>

#include <optional>

#include "app/weft/cli.h"
#include "app/weft/paths.h"
#include "http/simple_client.h"
#include "io/epoll_loop.h"
#include "io/socket_network.h"

namespace weft::app {
namespace {

// Applies on a slow disk take their time; nothing takes longer than this.
constexpr Duration kPatience = Duration::seconds(30);

io::Task<void> fetch_into(io::EpollLoop* loop, io::SocketNetwork* network, std::string socket,
                          wire::RequestHead head, std::string body,
                          std::optional<Result<http::FetchResponse>>* out) {
  *out = co_await http::fetch(*loop, *network, std::move(socket), std::move(head), std::move(body),
                              kPatience);
  loop->stop();
}

Error unreachable(const std::string& socket, const Error& cause) {
  std::string text = fmt::format("no Weft server answers at {}: {}\n", socket, cause.message());
  if (cause.kind() == ErrorKind::kDenied) {
    text += "This user may not open the socket: ask as root or as the server's own user.";
  } else {
    text += "Start one with `weft server`, or name its socket with --socket or $WEFT_SOCKET.";
  }
  return {ErrorKind::kUnavailable, std::move(text)};
}

}  // namespace

Result<ApiReply> ask(const CommandLine& line, std::string_view method, std::string path,
                     std::string body) {
  const std::string socket = line.value("socket", server_socket(read_environment()));
  wire::RequestHead head;
  head.method = method;
  head.target = std::move(path);
  head.authority = "weft";
  if (!body.empty()) head.fields.add("content-type", "application/json");
  io::EpollLoop loop;
  io::SocketNetwork network(loop);
  std::optional<Result<http::FetchResponse>> response;
  io::TaskScope scope;
  scope.spawn(fetch_into(&loop, &network, socket, std::move(head), std::move(body), &response));
  if (!response) loop.run();
  if (!*response) return std::unexpected(unreachable(socket, response->error()));
  ApiReply reply;
  reply.status = (*response)->status;
  reply.text = std::move((*response)->body);
  control::Problems problems;
  auto documents =
      control::read_yaml("reply", reply.text, problems, {.bytes = 64UL << 20, .nodes = 10'000'000});
  if (!problems.empty()) {
    return fail(ErrorKind::kProtocol,
                "the server's answer makes no sense: " + problems[0].to_string());
  }
  if (!documents.empty()) reply.body = std::move(documents.front());
  return reply;
}

}  // namespace weft::app
