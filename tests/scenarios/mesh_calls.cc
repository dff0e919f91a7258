// What apps do in a scenario: look names up, call, converse; and what an operator does: apply.
#include "base/text.h"
#include "http/simple_client.h"
#include "io/event.h"
#include "proxy/replay_stream.h"
#include "scenarios/mesh.h"
#include "wire/dns.h"

namespace weft::scenarios {
namespace {

std::string code_text(const wire::DnsMessage& reply) {
  if (reply.code == wire::DnsCode::kNxDomain) return "NXDOMAIN";
  if (reply.code == wire::DnsCode::kServFail) return "SERVFAIL";
  for (const wire::DnsRecord& record : reply.answers) {
    if (auto* address = std::get_if<IpAddress>(&record.data)) return address->to_string();
  }
  return "EMPTY";
}

// Runs on the caller's node; the answer comes on its sidecar's main loop, which the World turns too.
struct Answer {
  explicit Answer(io::Loop& loop) : arrived(loop) {}
  io::Event arrived;
  std::string message;
};

}  // namespace

io::Task<std::string> Mesh::resolve(std::string from, std::string name) {
  if (auto address = IpAddress::parse(name)) co_return name;
  Instance& caller = instance(from);
  if (!caller.sidecar) co_return "SERVFAIL";
  wire::DnsMessage query;
  query.id = 7;
  query.recursion_desired = true;
  query.questions.push_back({name, wire::DnsType::kA});
  auto answer = std::make_shared<Answer>(caller.side->loop());
  caller.sidecar->dns().ask(wire::build_dns(query, 512), false, [answer](std::string message) {
    answer->message = std::move(message);
    answer->arrived.set();
  });
  co_await answer->arrived.wait_for(Duration::seconds(5));
  auto reply = wire::parse_dns(answer->message);
  co_return reply ? code_text(*reply) : "SERVFAIL";
}

io::Task<CallResult> Mesh::call_task(std::string from, wire::RequestHead head, std::string host,
                                     uint16_t port, std::string body, Duration timeout) {
  std::string address = co_await resolve(from, host);
  auto ip = IpAddress::parse(address);
  if (!ip) co_return CallResult{0, "", address};
  Instance& caller = instance(from);
  auto answer =
      co_await http::fetch(caller.app->loop(), caller.app->network(), SocketAddress{*ip, port},
                           std::move(head), std::move(body), timeout);
  if (!answer) co_return CallResult{0, "", answer.error().message()};
  co_return CallResult{answer->status, std::string(trim(answer->body)), ""};
}

CallResult Mesh::call(const std::string& from, wire::RequestHead head, const std::string& host,
                      uint16_t port, std::string body, Duration timeout) {
  return world_.run(call_task(from, std::move(head), host, port, std::move(body), timeout));
}

io::Task<CallResult> Mesh::converse_task(std::string from, std::string host, uint16_t port,
                                         std::string send) {
  std::string address = co_await resolve(from, host);
  auto ip = IpAddress::parse(address);
  if (!ip) co_return CallResult{0, "", address};
  Instance& caller = instance(from);
  io::Loop& loop = caller.app->loop();
  auto stream = co_await caller.app->network().connect({*ip, port}, Duration::seconds(5));
  if (!stream) co_return CallResult{0, "", stream.error().message()};
  if (!send.empty()) (*stream)->write(send);
  io::Event arrived(loop);
  proxy::Look look(**stream, arrived);
  while (!look.ended() && look.bytes().view().find('\n') == std::string_view::npos) {
    arrived.reset();
    if (!co_await arrived.wait_for(Duration::seconds(10))) break;
  }
  std::string line(look.bytes().view().substr(0, look.bytes().view().find('\n')));
  if (line.empty()) co_return CallResult{0, "", look.failed() ? "reset" : "silence"};
  co_return CallResult{200, std::string(trim(line)), ""};
}

CallResult Mesh::converse(const std::string& from, const std::string& host, uint16_t port,
                          const std::string& send) {
  return world_.run(converse_task(from, host, port, send));
}

CallResult Mesh::apply(const std::string& yaml) {
  if (!server_) start_server();
  std::string body = "{\"files\":[{\"file\":\"scenario\",\"text\":";
  append_json_string(body, yaml);
  body += "}]}";
  return api("POST", "/v1/apply", std::move(body));
}

CallResult Mesh::api(const std::string& method, const std::string& target, std::string body) {
  wire::RequestHead head;
  head.method = method;
  head.target = target;
  head.fields.add("Host", "weft");
  head.fields.add("Content-Type", "application/json");
  auto answer =
      world_.run(http::fetch(server_node_.loop(), server_node_.network(), std::string("/weft.sock"),
                             std::move(head), std::move(body), Duration::seconds(10)));
  if (!answer) return {0, "", answer.error().message()};
  return {answer->status, answer->body, ""};
}

CallResult Mesh::read(const std::string& target) {
  wire::RequestHead head;
  head.method = "GET";
  head.target = target;
  head.fields.add("Host", "weft");
  auto answer =
      world_.run(http::fetch(server_node_.loop(), server_node_.network(), std::string("/weft.sock"),
                             std::move(head), "", Duration::seconds(10)));
  if (!answer) return {0, "", answer.error().message()};
  return {answer->status, answer->body, ""};
}

}  // namespace weft::scenarios
