// The app is the least interesting part of a scenario, so it does little and forgets nothing.
#include "scenarios/mesh_app.h"

#include "http/respond.h"
#include "io/event.h"
#include "proxy/replay_stream.h"

namespace weft::scenarios {

SimApp::SimApp(sim::Node& node, AppBehaviour& behaviour, AppRecord& record,
               const std::vector<AppPort>& ports)
    : node_(node), behaviour_(behaviour), record_(record) {
  for (const AppPort& port : ports) {
    auto listener = node_.network().listen({node_.ip(), port.port},
                                           [this, tcp = port.tcp](io::StreamPtr stream) {
                                             if (tcp) {
                                               conversations_.spawn(converse(std::move(stream)));
                                             } else {
                                               serve_http(std::move(stream));
                                             }
                                           });
    WEFT_ASSERT(listener);
    listeners_.push_back(std::move(*listener));
    ports_.insert(port.port);
  }
}

SimApp::~SimApp() = default;

void SimApp::serve_http(io::StreamPtr stream) {
  served_.emplace_back();
  auto slot = std::prev(served_.end());
  *slot = http::serve(
      node_.loop(), std::move(stream), http::ServerProtocol::kDetect, {}, {},
      [this](http::ServerStreamPtr request) { return answer(std::move(request)); },
      [this, slot] { served_.erase(slot); });
}

io::Task<void> SimApp::answer(http::ServerStreamPtr stream) {
  ++record_.requests;
  record_.target = stream->request().target;
  record_.authority = stream->request().authority;
  if (auto call = stream->request().fields.get("x-call")) ++record_.calls[std::string(*call)];
  auto body = co_await http::read_all(*stream, 64 * 1024 * 1024);
  if (!body) co_return;
  record_.content = std::move(*body);
  if (behaviour_.script) {
    AppAnswer scripted = behaviour_.script(stream->request());
    co_await answer_with(*stream, std::move(scripted));
    co_return;
  }
  if (behaviour_.delay.ns > 0) co_await io::sleep_for(node_.loop(), behaviour_.delay);
  (void)co_await http::respond(*stream, behaviour_.status, "text/plain", behaviour_.says);
}

io::Task<void> SimApp::answer_with(http::ServerStream& stream, AppAnswer answer) {
  if (answer.delay.ns > 0) co_await io::sleep_for(node_.loop(), answer.delay);
  if (answer.reset) {
    stream.reset();
    co_return;
  }
  wire::ResponseHead head;
  head.status = answer.status;
  head.fields = std::move(answer.fields);
  if (answer.trailers.empty()) {
    head.fields.set("content-length", std::to_string(answer.says.size()));
    head.length = {.kind = wire::BodyLength::kSized, .size = answer.says.size()};
  } else {
    head.length.kind = wire::BodyLength::kStreamed;
  }
  const bool end = answer.says.empty() && answer.trailers.empty();
  stream.send_response(head, end);
  if (end) co_return;
  if (co_await stream.send_body(Buffer(answer.says))) stream.finish(std::move(answer.trailers));
}

io::Task<void> SimApp::converse(io::StreamPtr stream) {
  if (!behaviour_.greets.empty()) stream->write(behaviour_.greets + "\n");
  io::Event arrived(node_.loop());
  Buffer pending;
  {
    proxy::Look look(*stream, arrived);
    while (!look.ended()) {
      pending.append(look.take());
      size_t end;
      while ((end = pending.view().find('\n')) != std::string_view::npos) {
        stream->write(behaviour_.says + " " + pending.take(end + 1).to_string());
      }
      arrived.reset();
      co_await arrived.wait();
    }
  }
  io::close_gracefully(node_.loop(), std::move(stream));
}

}  // namespace weft::scenarios
