// Lab: load and scripted endpoints on a simulated mesh (scenarios/mesh.h: real control plane, real
// sidecars, invented wires and clocks), and what came of it. Callers are open loop: they call at the
// times of a Poisson process, whether or not earlier calls were answered. The same seed and the same
// calls give the same samples.
//
//   Lab lab(1);
//   lab.endpoint("cart", "cart-a", {.service = Duration::millis(20)});
//   lab.endpoint("cart", "cart-b", {.service = Duration::millis(200)});
//   lab.caller("web");
//   lab.load({.from = "web", .to = "cart", .per_second = 100, .length = Duration::seconds(10)});
//   lab.at(Duration::seconds(5), [&] { lab.behave("cart-b", {.service = Duration::millis(20)}); });
//   lab.play();
//   lab.samples() …
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "scenarios/mesh.h"

namespace weft::lab {

using Labels = std::map<std::string, std::string>;

// What an endpoint does with requests.
struct Behaviour {
  // Half of it fixed, half drawn from an exponential distribution.
  Duration service = Duration::millis(10);
  uint32_t slots = 0;        // requests worked on at once, the others wait in line; 0: any number
  double failure_share = 0;  // of the requests, which are answered after `failure_service` with:
  int failure_status = 503;  // 0: the connection is reset
  Duration failure_service = Duration::millis(1);
  wire::Fields failure_fields = {};  // such as Retry-After
};

struct Load {
  std::string from;
  std::string to;  // a service, on port 80
  double per_second = 100;
  Duration begin{};  // since the play began
  Duration length = Duration::seconds(10);
  Duration timeout = Duration::seconds(20);
  // Makes call number `n` (from 0) differ from "GET /".
  std::function<void(uint64_t n, wire::RequestHead&)> head = nullptr;
};

// One call, as its caller saw it. Times are since the play began.
struct Sample {
  Duration at;
  Duration latency;
  int status = 0;  // 0: no answer
  std::string from;
  std::string endpoint;  // which one answered; "" when a sidecar did
};

// One request that reached an endpoint's app: retries count each.
struct Arrival {
  Duration at;
  std::string endpoint;
};

class Lab {
 public:
  explicit Lab(uint64_t seed) : random_(seed), mesh_(seed) {}
  ~Lab();

  scenarios::Mesh& mesh() { return mesh_; }
  // An instance of `service` on port 80, in the mesh from now on.
  void endpoint(const std::string& service, const std::string& name, Behaviour behaviour = {},
                const Labels& labels = {});
  void behave(const std::string& name, Behaviour behaviour);
  void caller(const std::string& name, const Labels& labels = {});
  // Must be accepted; ends when it is served.
  void apply(const std::string& yaml);

  void load(Load load) { loads_.push_back(std::move(load)); }
  // Something that happens in the play, between two events of the world: it may call what waits, such as
  // endpoint() and mesh().kill(); time goes on meanwhile.
  void at(Duration when, std::function<void()> action);
  // Plays all loads to their last answer. Each load's caller has called once before time zero, so that
  // discovery and first handshakes are not in the picture.
  void play();

  const std::vector<Sample>& samples() const { return samples_; }
  const std::vector<Arrival>& arrivals() const { return arrivals_; }
  Duration now() { return mesh_.world().now() - origin_; }

 private:
  struct Endpoint {
    Behaviour behaviour;
    std::multiset<Instant> busy_until;  // by slot that is in use
  };

  scenarios::AppAnswer answer(const std::string& name);
  Duration draw(Duration mean);
  io::Task<void> run(Load load);
  io::Task<void> call(const Load& load, SocketAddress to, uint64_t number);

  SeededRandom random_;
  scenarios::Mesh mesh_;
  std::map<std::string, std::unique_ptr<Endpoint>> endpoints_;
  std::vector<Load> loads_;
  std::multimap<Duration, std::function<void()>> script_;
  std::vector<Sample> samples_;
  std::vector<Arrival> arrivals_;
  Instant origin_;
  size_t under_way_ = 0;
  io::TaskScope tasks_;
};

}  // namespace weft::lab
