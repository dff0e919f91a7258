// A control plane and six instances under random faults, from a seed: sidecars crash and come back, ways
// are cut and healed, connections reset, the control plane dies, apps close and open, routes change. What
// must hold whatever happens:
//   1. a request is answered at most once, and an app sees it more than once only if it may be repeated;
//   2. no byte of plaintext passes between sidecars;
//   3. after a change is acknowledged by a proxy, none of its requests follows the old route;
//   4. no handshake succeeds with an expired certificate.
// The same seed twice gives the same trace of the whole network.
#include <gtest/gtest.h>

#include "http/tls_stream.h"
#include "io/event.h"
#include "scenarios/mesh.h"
#include "trust/tls.h"

namespace weft::scenarios {
namespace {

constexpr const char* kRoute = R"(apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop}
spec:
  parentRefs: [{kind: Service, group: "", name: shop}]
  rules:
  - backendRefs: [{name: BACKEND, port: 80}]
)";

struct Outcome {
  uint64_t trace = 0;
  std::vector<std::string> lines;
  int calls = 0;
  int answered = 0;
};

class FaultyMesh {
 public:
  explicit FaultyMesh(uint64_t seed) : mesh_(seed), random_(seed ^ 0x5eed) {
    mesh_.world().trace().keep_lines();
    mesh_.set_svid_life(Duration::seconds(60));
    for (const char* name : {"v1", "v2"}) {
      add(name, std::string(name) + "-a");
      add(name, std::string(name) + "-b");
    }
    add("shop", "shop-a");
    mesh_.add({.name = "web", .services = {}, .behaviour = {}});
  }
  ~FaultyMesh() { tasks_.cancel_all(); }

  Outcome run(Duration span) {
    tasks_.spawn(caller("GET"));
    tasks_.spawn(caller("POST"));
    Instant end = mesh_.world().now() + span;
    while (mesh_.world().now() < end) {
      disturb();
      mesh_.world().run_for(Duration::millis(static_cast<int64_t>(100 + random_.below(900))));
    }
    stop_ = true;
    repair_all();
    mesh_.world().run_for(Duration::seconds(30));
    check_invariants();
    return {mesh_.world().trace().hash(), mesh_.world().trace().lines(), calls_, answered_};
  }

 private:
  void add(const std::string& service, const std::string& name) {
    InstanceSpec spec;
    spec.name = name;
    spec.services = {{service, 80, 8080, model::Protocol::kHttp}};
    spec.behaviour.says = service;
    spec.behaviour.delay = Duration::millis(5);
    mesh_.add(std::move(spec));
    servers_.push_back(name);
  }

  io::Task<void> caller(std::string method) {
    io::Loop& loop = mesh_.instance("web").app->loop();
    while (!stop_) {
      std::string id = method + std::to_string(calls_++);
      wire::RequestHead head;
      head.method = method;
      head.target = "/";
      head.fields.add("Host", "shop");
      head.fields.add("x-call", id);
      Instant began = mesh_.world().now();
      CallResult result =
          co_await mesh_.call_task("web", std::move(head), "shop", 80, "", Duration::seconds(20));
      ++answers_[id];
      if (result.status == 200) {
        ++answered_;
        // 3. began after the proxies acknowledged `current_`
        if (settled_ && began > *settled_ && result.body != current_) ++followed_old_route_;
      }
      co_await io::sleep_for(loop, Duration::millis(20));
    }
  }

  void disturb() {
    sim::World& world = mesh_.world();
    const std::string& name = servers_[random_.below(servers_.size())];
    switch (random_.below(8)) {
      case 0:
        if (mesh_.instance(name).sidecar) mesh_.kill_sidecar(name);
        break;
      case 1:
        if (!mesh_.instance(name).sidecar) mesh_.restart_sidecar(name);
        break;
      case 2: world.partition(world.node("web"), world.node(name)); break;
      case 3: world.heal(world.node("web"), world.node(name)); break;
      case 4: world.reset_connections(world.node("web"), world.node(name)); break;
      case 5:
        if (mesh_.server()) {
          mesh_.kill_server();
        } else {
          mesh_.start_server();
        }
        break;
      case 6:
        if (mesh_.instance(name).program) {
          mesh_.close_app(name);
        } else {
          mesh_.open_app(name);
        }
        break;
      case 7: change_route(); break;
    }
  }

  void change_route() {
    if (!mesh_.server()) return;
    std::string next = current_ == "v1" ? "v2" : "v1";
    settled_.reset();
    std::string yaml = kRoute;
    yaml.replace(yaml.find("BACKEND"), 7, next);
    if (mesh_.apply(yaml).status != 200) return;
    current_ = next;
    ++routes_;
    // Settled once the server knows that all who use the service use this version.
    mesh_.world().run_until([&] { return acknowledged(); }, Duration::seconds(5));
    if (acknowledged()) settled_ = mesh_.world().now();
  }

  bool acknowledged() {
    if (!mesh_.server()) return false;
    control::Served served = mesh_.server()->served({"default", "shop"});
    return served.users > 0 && served.current == served.users;
  }

  void repair_all() {
    sim::World& world = mesh_.world();
    if (!mesh_.server()) mesh_.start_server();
    for (const std::string& name : servers_) {
      if (!mesh_.instance(name).sidecar) mesh_.restart_sidecar(name);
      if (!mesh_.instance(name).program) mesh_.open_app(name);
      world.heal(world.node("web"), world.node(name));
    }
  }

  void check_invariants() {
    for (const auto& [id, answers] : answers_)
      EXPECT_EQ(answers, 1) << id << " was answered more than once";
    for (const std::string& name : servers_) {
      for (const auto& [id, times] : mesh_.instance(name).record.calls) {
        if (id.starts_with("POST")) processed_[id] += times;
      }
    }
    for (const auto& [id, times] : processed_)
      EXPECT_EQ(times, 1) << id << " was processed more than once";
    EXPECT_EQ(mesh_.plaintext_segments(), 0u);
    EXPECT_EQ(followed_old_route_, 0);
  }

  Mesh mesh_;
  SeededRandom random_;
  std::vector<std::string> servers_;
  bool stop_ = false;
  int calls_ = 0, answered_ = 0, followed_old_route_ = 0, routes_ = 0;
  std::map<std::string, int> answers_, processed_;
  std::string current_ = "shop";
  std::optional<Instant> settled_;
  io::TaskScope tasks_;
};

class Simulation : public testing::TestWithParam<uint64_t> {};

TEST_P(Simulation, KeepsItsPromisesUnderRandomFaults) {
  SCOPED_TRACE("seed " + std::to_string(GetParam()));
  FaultyMesh mesh(GetParam());
  Outcome outcome = mesh.run(Duration::seconds(60));
  EXPECT_GT(outcome.calls, 100);
  EXPECT_GT(outcome.answered, 20);
}

INSTANTIATE_TEST_SUITE_P(Seeds, Simulation, testing::Values(1, 2, 3, 4));

TEST(SimulationRuns, TheSameSeedGivesTheSameTrace) {
  auto once = [] {
    FaultyMesh mesh(99);
    return mesh.run(Duration::seconds(20));
  };
  Outcome first = once();
  Outcome second = once();
  size_t at = 0;
  while (at < first.lines.size() && at < second.lines.size() && first.lines[at] == second.lines[at])
    ++at;
  if (at < first.lines.size() && at < second.lines.size()) {
    ADD_FAILURE() << "event " << at << " differs:\n" << first.lines[at] << "\n" << second.lines[at];
  }
  EXPECT_EQ(first.lines.size(), second.lines.size());
  EXPECT_EQ(first.calls, second.calls);
  EXPECT_EQ(first.trace, second.trace);
}

// 4. Both ends judge the other's certificate by the clock of the moment.
TEST(SimulationRuns, NoHandshakeSucceedsWithAnExpiredCertificate) {
  Mesh mesh(5);
  mesh.set_svid_life(Duration::seconds(60));
  Instance& web = mesh.add({.name = "web", .services = {}, .behaviour = {}});
  InstanceSpec spec;
  spec.name = "cart";
  spec.services = {{"cart", 80, 8080, model::Protocol::kHttp}};
  mesh.add(std::move(spec));
  auto set = proxy::make_tls_set(1, web.svid, web.bundle, "web");
  ASSERT_TRUE(set);
  mesh.kill_server();
  Instance& cart = mesh.instance("cart");
  auto handshake = [&]() -> io::Task<bool> {
    auto transport =
        co_await web.side->network().connect({cart.side->ip(), 20000}, Duration::seconds(2));
    if (!transport) co_return false;
    auto hop = co_await http::tls_connect(web.side->loop(), std::move(*transport), (*set)->h2,
                                          "p8080." + cart.registered.instance + ".mesh",
                                          cart.svid->id().uri(), Duration::seconds(2));
    co_return hop.has_value();
  };
  EXPECT_TRUE(mesh.world().run(handshake()));
  mesh.world().run_for(Duration::seconds(120));
  EXPECT_FALSE(mesh.world().run(handshake()));
}

}  // namespace
}  // namespace weft::scenarios
