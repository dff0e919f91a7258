// PolicyMesh: a raw client and three instances of one service behind their sidecars, and the means to put what
// policies say where the sidecars read it, without objects.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/text.h"
#include "proxy/router.h"
#include "scenarios/mesh.h"
#include "scenarios/raw_peer.h"
#include "telemetry/access_log.h"

namespace weft::scenarios {

class PolicyMesh : public testing::Test {
 protected:
  static constexpr std::string_view kClient = "spiffe://mesh.test/ns/default/sa/client";
  inline static const model::ServiceName kCart{"default", "cart"};
  inline static const model::ServiceName kDb{"default", "db"};

  PolicyMesh() : mesh(7) {
    mesh.add({.name = "client", .services = {}, .behaviour = {}});
    for (const char* name : {"one", "two", "three"}) {
      mesh.add({.name = name,
                .services = {{"cart", 80, 8080, model::Protocol::kHttp, false}},
                .behaviour = {.says = name}});
    }
    mesh.add({.name = "db",
              .services = {{"db", 5432, 5432, model::Protocol::kTcp, true}},
              .behaviour = {.says = "db"}});
    cart = {*IpAddress::parse(world().run(mesh.resolve("client", "cart"))), 80};
    db = {*IpAddress::parse(world().run(mesh.resolve("client", "db"))), 5432};
    ask("GET / HTTP/1.1\r\nHost: cart\r\n\r\n");  // the client's sidecar learns of the services
    mesh.converse("client", "db", 5432, "hello\n");
    mesh.instance("client").worker->worker.access = &outbound_log;
    for (const char* name : {"one", "two", "three", "db"}) {
      mesh.instance(name).worker->worker.access = &inbound_log;
    }
  }
  ~PolicyMesh() override {
    for (const std::string& name : mesh.names()) {
      if (mesh.instance(name).worker) mesh.instance(name).worker->worker.access = nullptr;
    }
  }

  sim::World& world() { return mesh.world(); }

  // Changes what the client's sidecar holds of a service.
  template <typename Change>
  void change(const model::ServiceName& name, Change&& change) {
    proxy::WorkerSide& side = *mesh.instance("client").worker;
    auto next = std::make_shared<proxy::Snapshot>(*side.worker.snapshot);
    model::Service service = next->services.at(name).model();
    change(service);
    auto compiled = proxy::CompiledService::compile(service);
    ASSERT_TRUE(compiled) << compiled.error().message();
    next->services.at(name).compiled = *compiled;
    side.use_snapshot(std::move(next));
  }
  // Gives instances rate limits, each its own.
  void limit(const std::vector<std::string>& instances, std::vector<model::RateLimit> limits) {
    for (const std::string& name : instances) {
      mesh.instance(name).worker->worker.rate_limits =
          std::make_shared<const steer::RateLimits>(limits, nullptr, 1);
    }
  }

  std::unique_ptr<RawPeer> dial(SocketAddress to) {
    auto stream =
        world().run(mesh.instance("client").app->network().connect(to, Duration::seconds(5)));
    WEFT_ASSERT(stream);
    return std::make_unique<RawPeer>(std::move(*stream));
  }
  // The whole answer to a request on a connection of its own; "" when it was reset.
  std::string ask(const std::string& request) {
    auto peer = dial(cart);
    peer->write(request);
    world().run_until([&] { return peer->ended || has_whole_answer(peer->in); },
                      Duration::seconds(30));
    return peer->in;
  }
  static std::string get(const std::string& fields = "") {
    return "GET / HTTP/1.1\r\nHost: cart\r\n" + fields + "\r\n";
  }
  static bool has_whole_answer(const std::string& in) {
    const size_t end = in.find("\r\n\r\n");
    if (end == std::string::npos) return false;
    const size_t length = in.find("ontent-length: ");
    if (length == std::string::npos || length > end) return true;
    return in.size() >= end + 4 + std::stoul(in.substr(length + 15));
  }
  // The value of a field of an answer; "" when it has none.
  static std::string field(const std::string& answer, const std::string& name) {
    const size_t at = to_lower(answer).find("\r\n" + to_lower(name) + ": ");
    if (at == std::string::npos) return "";
    const size_t from = at + name.size() + 4;
    return answer.substr(from, answer.find("\r\n", from) - from);
  }
  static std::string body(const std::string& answer) {
    return answer.substr(answer.find("\r\n\r\n") + 4);
  }
  uint64_t seen_by_apps() {
    uint64_t seen = 0;
    for (const char* name : {"one", "two", "three"}) seen += mesh.instance(name).record.requests;
    return seen;
  }
  static std::string drain(telemetry::LineQueue& queue) {
    std::string lines;
    queue.drain(lines);
    return lines;
  }
  std::string metrics(const std::string& name) {
    std::string type;
    return mesh.instance(name).sidecar->metrics("", &type);
  }

  telemetry::LineQueue outbound_log, inbound_log;
  Mesh mesh;
  SocketAddress cart, db;
};

}  // namespace weft::scenarios
