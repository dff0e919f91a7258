// Nothing here changes anything, so whoever can reach the loopback may look.
#include "app/proxy/admin.h"

#include "http/respond.h"

namespace weft::app {

Result<void> Admin::open(io::Network& network, io::Disk& disk, const std::string& directory) {
  auto listener = network.listen({IpAddress::v4(0x7f000001), 0},
                                 [this](io::StreamPtr stream) { accept(std::move(stream)); });
  if (!listener) return std::unexpected(std::move(listener.error()));
  listener_ = std::move(*listener);
  return disk.write_atomic(directory + "/admin", listener_->address().to_string() + "\n", 0640);
}

void Admin::accept(io::StreamPtr stream) {
  http::ConnectionInfo info;
  info.peer = stream->peer();
  info.local = stream->local();
  served_.emplace_back();
  auto slot = std::prev(served_.end());
  *slot = http::serve(
      loop_, std::move(stream), http::ServerProtocol::kDetect, std::move(info), {},
      [this](http::ServerStreamPtr request) { return serve(std::move(request)); },
      [this, slot] { served_.erase(slot); });
}

io::Task<void> Admin::serve(http::ServerStreamPtr stream) {
  const wire::RequestHead& head = stream->request();
  std::string target = head.target;
  int status = 200;
  std::string type = "text/plain; charset=utf-8", body;
  if (head.method != "GET" && head.method != "HEAD") {
    status = 405;
    body = "only GET is served here\n";
  } else if (target == "/metrics") {
    body = sidecar_.metrics(head.fields.get("accept").value_or(""), &type);
  } else if (target == "/status") {
    type = "application/json";
    body = sidecar_.status_json();
  } else {
    status = 404;
    body = "there are /metrics and /status\n";
  }
  (void)co_await http::respond(*stream, status, std::move(type), std::move(body));
}

}  // namespace weft::app
