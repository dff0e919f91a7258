// Two sidecars of two workers each, on real threads and sockets in explicit mode, with an app behind one and
// clients before the other. Run it under the thread sanitizer: what two workers share is used here by both.
#include "app/proxy/worker_threads.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>
#include <filesystem>
#include <future>
#include <set>
#include <thread>

#include "base/random.h"
#include "http/respond.h"
#include "http/server.h"
#include "io/event.h"
#include "io/real_disk.h"
#include "io/socket_address.h"
#include "io/socket_network.h"
#include "proxy/router.h"
#include "proxy/tls_set.h"
#include "trust/ca.h"

namespace weft::app {
namespace {

const IpAddress kLoopback = IpAddress::v4(0x7f000001);
constexpr const char* kCart = "spiffe://td.test/ns/default/sa/cart";
constexpr const char* kWeb = "spiffe://td.test/ns/default/sa/web";
constexpr Duration kPatience = Duration::seconds(60);
constexpr size_t kWorkers = 2;

Fd listening() { return std::move(*io::listening_socket({kLoopback, 0})); }

// Answers every request with "hello".
class App {
 public:
  App() {
    Fd fd = listening();
    port_ = io::local_address(fd.get()).port;
    thread_.emplace("app", [this, fd = std::move(fd)](io::EpollLoop& loop) mutable {
      auto listener = io::adopt_listener(loop, fd.release(), [&](io::StreamPtr stream) {
        served_.emplace_back();
        auto slot = std::prev(served_.end());
        *slot = http::serve(
            loop, std::move(stream), http::ServerProtocol::kHttp1, {}, {},
            [](http::ServerStreamPtr request) { return hello(std::move(request)); },
            [this, slot] { served_.erase(slot); });
      });
      loop.run();
      served_.clear();
    });
  }
  uint16_t port() const { return port_; }

 private:
  static io::Task<void> hello(http::ServerStreamPtr request) {
    (void)co_await http::respond(*request, 200, "text/plain", "hello");
  }

  uint16_t port_ = 0;
  std::list<std::unique_ptr<http::ServerConnection>> served_;
  std::optional<io::LoopThread> thread_;
};

// A sidecar's half on the main loop and its workers.
class Proxy {
 public:
  Proxy(io::EpollLoop& loop, MemorySink& sink, const trust::CertificateAuthority& ca,
        std::string instance, const char* identity, Handover made)
      : network_(loop), random_(SeededRandom::from_os()), handover_(std::move(made)) {
    proxy::Sidecar::Options& options = handover_.options;
    options.self.instance = std::move(instance);
    options.self.identity = *model::SpiffeId::parse(identity);
    options.self.ns = "default";
    options.self.explicit_mode = true;
    options.trust_domain = "td.test";
    options.servers = {{kLoopback, 1}};  // nobody is there
    options.state_dir = testing::TempDir() + "weft-workers-" + options.self.instance;
    std::filesystem::create_directories(options.state_dir);
    const Log log(sink, loop, options.self.instance);
    workers_ = std::make_unique<WorkerThreads>(loop, kWorkers, handover_, log, access_,
                                               [](const char*) { return false; });
    sidecar_ =
        std::make_unique<proxy::Sidecar>(loop, network_, random_, disk_, workers_->refs(), options,
                                         *ca.issue(options.self.identity, loop.wall_now()),
                                         ca.bundle(), proxy::Sidecar::Hooks{}, log);
    EXPECT_TRUE(sidecar_->start());
    EXPECT_TRUE(workers_->open_doors().empty());
  }

  WorkerThreads& workers() { return *workers_; }
  proxy::Sidecar& sidecar() { return *sidecar_; }
  // The value of a metric without labels, or of all with any, added up.
  uint64_t metric(const std::string& name) {
    std::string type;
    const std::string text = sidecar_->metrics("", &type);
    uint64_t sum = 0;
    for (size_t at = text.find('\n' + name); at != std::string::npos;
         at = text.find('\n' + name, at + 1)) {
      const size_t end = text.find('\n', at + 1);
      sum += std::strtoull(text.c_str() + text.rfind(' ', end), nullptr, 10);
    }
    return sum;
  }
  uint32_t connections_of(size_t worker) {
    return static_cast<uint32_t>(
        metric("weft_worker_connections{worker=\"" + std::to_string(worker + 1)));
  }
  void use(const proxy::SnapshotPtr& snapshot) {
    for (const auto& worker : workers_->refs()) {
      worker.loop->post_remote([side = worker.side, snapshot] { side->use_snapshot(snapshot); });
    }
  }
  void rotate(uint64_t generation, const trust::CertificateAuthority& ca, WallTime now) {
    const auto& self = handover_.options.self;
    auto svid = *ca.issue(self.identity, now);
    for (const auto& worker : workers_->refs()) {
      auto set = *proxy::make_tls_set(generation, svid, ca.bundle(), self.instance);
      worker.loop->post_remote([side = worker.side, set] { side->use_certificates(set); });
    }
  }

 private:
  io::SocketNetwork network_;
  SeededRandom random_;
  io::RealDisk disk_;
  telemetry::LineQueue access_;
  Handover handover_;
  std::unique_ptr<WorkerThreads> workers_;
  std::unique_ptr<proxy::Sidecar> sidecar_;
};

// What clients on threads of their own and the test tell each other.
struct Load {
  std::atomic<int> connected{0}, answered{0}, ended{0};
  std::atomic<bool> over{false};
};

// Sends `requests` on one connection, which it keeps until the load is over. All connect before any sends.
void call(uint16_t port, int requests, int clients, Load& load) {
  const Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const io::KernelAddress to = io::to_kernel({kLoopback, port}, AF_INET);
  EXPECT_EQ(::connect(fd.get(), to.get(), to.size), 0);
  ++load.connected;
  while (load.connected < clients) std::this_thread::yield();
  for (int i = 0; i < requests; ++i) {
    constexpr std::string_view kRequest = "GET / HTTP/1.1\r\nHost: cart\r\n\r\n";
    if (::send(fd.get(), kRequest.data(), kRequest.size(), MSG_NOSIGNAL) < 0) break;
    std::string answer;
    char part[4096];
    ssize_t got = 1;
    while (got > 0 && !answer.ends_with("hello")) {
      got = ::recv(fd.get(), part, sizeof part, 0);
      if (got > 0) answer.append(part, static_cast<size_t>(got));
    }
    if (got <= 0) break;
    if (answer.starts_with("HTTP/1.1 200")) ++load.answered;
  }
  ++load.ended;
  load.over.wait(false);
}

class WorkerThreadsTest : public testing::Test {
 protected:
  WorkerThreadsTest() {
    Handover cart;
    cart.inbound = listening();
    const SocketAddress mesh_port = io::local_address(cart.inbound.get());
    cart.options.self.app_ports[app.port()] = model::Protocol::kHttp;
    cart.probes.push_back({.app_port = app.port()});
    callee = std::make_unique<Proxy>(loop, sink, ca, "cart-1", kCart, std::move(cart));

    Handover web;
    web.inbound = listening();
    web.upstreams.push_back({*model::ServiceName::parse("cart.default"), 80, 0, listening()});
    door = io::local_address(web.upstreams[0].listener.get()).port;
    caller = std::make_unique<Proxy>(loop, sink, ca, "web-1", kWeb, std::move(web));

    const model::ServiceName name = *model::ServiceName::parse("cart.default");
    model::Service service;
    service.name = name;
    service.ports.push_back({.port = 80, .name = "", .protocol = model::Protocol::kHttp});
    auto made = std::make_shared<proxy::Snapshot>();
    made->services[name] = {*proxy::CompiledService::compile(service),
                            std::make_shared<proxy::LastUse>()};
    auto group = std::make_shared<proxy::EndpointGroup>();
    group->service = name;
    model::Endpoint endpoint;
    endpoint.workload = "cart-1";
    endpoint.address = mesh_port;
    endpoint.identity = *model::SpiffeId::parse(kCart);
    endpoint.target_ports[80] = app.port();
    group->endpoints.push_back({endpoint, std::make_shared<steer::EndpointHealth>()});
    made->endpoints[name] = group;
    snapshot = made;
    caller->use(snapshot);
  }

  bool until(const std::function<bool()>& done) { return loop.run_for_test(done, kPatience); }
  void run(io::Task<void> task) {
    bool ended = false;
    io::TaskScope scope;
    scope.spawn([](io::Task<void> inner, bool* out) -> io::Task<void> {
      co_await std::move(inner);
      *out = true;
    }(std::move(task), &ended));
    EXPECT_TRUE(until([&] { return ended; }));
  }
  // `clients` connections with `requests` each, all at once; returns the number of good answers. `during` is
  // called now and then, `at_end` while all connections are still open.
  int load(
      int clients, int requests, const std::function<void()>& during,
      const std::function<void()>& at_end = [] {}) {
    Load load;
    std::vector<std::thread> threads;
    for (int i = 0; i < clients; ++i)
      threads.emplace_back([&] { call(door, requests, clients, load); });
    io::Timer tick(loop, [&] {
      during();
      tick.arm(Duration::millis(1));
    });
    tick.arm(Duration::millis(1));
    EXPECT_TRUE(until([&] { return load.ended == clients; }));
    at_end();
    load.over = true;
    load.over.notify_all();
    for (std::thread& thread : threads) thread.join();
    return load.answered;
  }

  io::EpollLoop loop;
  MemorySink sink;
  trust::CertificateAuthority ca = *trust::CertificateAuthority::create("td.test", loop.wall_now());
  App app;
  std::unique_ptr<Proxy> callee, caller;
  uint16_t door = 0;
  proxy::SnapshotPtr snapshot;
};

TEST_F(WorkerThreadsTest, BothWorkersServeAndTheirNumbersAreOne) {
  const int answered = load(
      8, 50, [] {},
      [&] {
        // Eight connections at once: four each. Each worker has its connection to the instance.
        for (size_t i = 0; i < kWorkers; ++i) {
          EXPECT_EQ(caller->connections_of(i), 4u);
          EXPECT_EQ(callee->connections_of(i), 1u);
        }
      });
  EXPECT_EQ(answered, 400);
  EXPECT_TRUE(until([&] { return caller->metric("weft_requests_total{") == 400; }));
  EXPECT_TRUE(until([&] { return callee->metric("weft_requests_total{") == 400; }));
  EXPECT_EQ(caller->metric("weft_request_errors_total{"), 0u);
}

TEST_F(WorkerThreadsTest, ChangesReachBothWorkersInTheMidstOfTraffic) {
  uint64_t generation = 1;
  auto change = [&] {
    if (generation >= 20) return;
    auto next = std::make_shared<proxy::Snapshot>(*snapshot);
    next->generation = ++generation;
    snapshot = next;
    caller->use(snapshot);
    if (generation % 5 == 0) {
      caller->rotate(generation, ca, loop.wall_now());
      callee->rotate(generation, ca, loop.wall_now());
    }
  };
  EXPECT_EQ(load(6, 100, change), 600);
  std::set<uint64_t> seen;
  std::atomic<size_t> told{0};
  std::mutex mutex;
  for (const auto& worker : caller->workers().refs()) {
    worker.loop->post_remote([&, side = worker.side] {
      const std::lock_guard lock(mutex);
      seen.insert(side->worker.snapshot->generation);
      ++told;
    });
  }
  EXPECT_TRUE(until([&] { return told == kWorkers; }));
  EXPECT_EQ(seen, std::set<uint64_t>{generation});
}

TEST_F(WorkerThreadsTest, DrainingIsOverWhenAllWorkersAreDone) {
  EXPECT_EQ(load(4, 5, [] {}), 20);
  run(callee->sidecar().drain(Duration::seconds(20), true));
  size_t draining = 0;
  std::promise<bool> told[kWorkers];
  auto refs = callee->workers().refs();
  for (size_t i = 0; i < kWorkers; ++i) {
    refs[i].loop->post_remote([&, i] { told[i].set_value(refs[i].side->worker.draining); });
  }
  for (auto& promise : told) draining += promise.get_future().get();
  EXPECT_EQ(draining, kWorkers);
}

TEST_F(WorkerThreadsTest, NobodyAcceptsOnceTheDoorsAreClosed) {
  run(caller->workers().close_doors());
  const Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const io::KernelAddress to = io::to_kernel({kLoopback, door}, AF_INET);
  EXPECT_EQ(::connect(fd.get(), to.get(), to.size), -1);  // nobody has the socket here any more
  EXPECT_EQ(caller->connections_of(0) + caller->connections_of(1), 0u);
}

}  // namespace
}  // namespace weft::app
