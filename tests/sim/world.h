// World: a whole distributed system in one thread, from one seed. It owns the virtual clock, the
// wires, and nodes that each have a loop (or several: its threads), a network view, an address, a disk and
// a random generator; product classes are built on those as they are on the real ones.
//
//   World world(seed);
//   Node& server = world.node("server");
//   Server s(server.loop(), server.network(), server.disk(), server.random());
//   world.run_for(Duration::seconds(10));
//
// Objects built on a node must be destroyed before the World. After crash(node) the test destroys that
// node's objects, then calls restart(node) and builds them again.
// The same seed and the same calls give the same trace(): print the seed when a test fails.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "io/task.h"
#include "sim/disk.h"
#include "sim/fabric.h"
#include "sim/loop.h"
#include "sim/network.h"
#include "sim/trace.h"

namespace weft::sim {

// One loop with its view of the network. Made by Node::thread().
struct SimThread {
  SimThread(Fabric& fabric, Scheduler& scheduler, Host& host)
      : loop(scheduler), network(fabric, host, loop) {}
  SimLoop loop;
  SimNetwork network;
};

class Node {
 public:
  Node(Fabric& fabric, Scheduler& scheduler, std::string name, uint64_t seed);

  const std::string& name() const { return host_.name; }
  // The main thread's.
  SimLoop& loop() { return thread("main").loop; }
  SimNetwork& network() { return thread("main").network; }
  // A further loop of this node, made at first use.
  SimThread& thread(const std::string& name);
  SimDisk& disk() { return disk_; }
  Random& random() { return random_; }

  // 10.0.0.N and fd00::N.
  IpAddress ip() const { return host_.addresses[0]; }
  IpAddress ip6() const { return host_.addresses[1]; }
  void add_address(const IpAddress& ip) { host_.addresses.push_back(ip); }
  // What nftables does in a captured app's namespace: connects to addresses that are not this node's own
  // go to `to`; the accepted stream's local() is the original destination. Port 0 turns it off.
  void redirect_connects(const SocketAddress& to) { host_.redirect = to; }
  bool up() const { return host_.up; }

 private:
  friend class World;
  Fabric& fabric_;
  Scheduler& scheduler_;
  Host host_;
  SimDisk disk_;
  SeededRandom random_;
  std::vector<std::pair<std::string, std::unique_ptr<SimThread>>> threads_;
};

class World {
 public:
  explicit World(uint64_t seed);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  uint64_t seed() const { return seed_; }
  // Made at first use, with the next address.
  Node& node(const std::string& name);
  Random& random() { return random_; }
  Trace& trace() { return trace_; }
  Instant now() const { return scheduler_.now(); }
  WallTime wall_now() const { return scheduler_.wall_now(); }
  // Runs `action` at a virtual time from now: the test's script of faults.
  void after(Duration delay, std::move_only_function<void()> action) {
    scheduler_.schedule_in(delay, std::move(action));
  }

  void run_for(Duration span);
  // Until `done` holds, at most `limit`; returns done().
  bool run_until(const std::function<bool()>& done, Duration limit);
  // Runs a task to its end and returns its result; it must end within `limit`.
  template <typename T>
  T run(io::Task<T> task, Duration limit = Duration::minutes(1));
  void run(io::Task<void> task, Duration limit = Duration::minutes(1));

  void set_default_link(LinkOptions options) { fabric_.set_default_link(options); }
  void set_link(Node& a, Node& b, LinkOptions options) {
    fabric_.set_link(a.host_, b.host_, options);
  }
  // Nothing passes between a and b until heal(): connects time out, bytes wait.
  void partition(Node& a, Node& b) { fabric_.partition(a.host_, b.host_); }
  void heal(Node& a, Node& b) { fabric_.heal(a.host_, b.host_); }
  // Every connection between them is reset, as seen from both ends.
  void reset_connections(Node& a, Node& b) { fabric_.reset_connections(a.host_, b.host_); }
  // The node's processes die: peers see resets, its listeners are gone, its loops stop and lose their
  // work, its disk loses some of what was not synced.
  void crash(Node& node);
  void restart(Node& node);
  // Called for every segment as it arrives.
  void observe(std::function<void(const Segment&)> observer) {
    fabric_.observe(std::move(observer));
  }

 private:
  void settle();
  bool advance(Instant limit);

  uint64_t seed_;
  Scheduler scheduler_;
  SeededRandom random_;
  Trace trace_;
  Fabric fabric_;
  std::vector<std::unique_ptr<Node>> nodes_;
  io::TaskScope tasks_;
};

namespace detail {
template <typename T>
io::Task<void> store_result(io::Task<T> task, std::optional<T>* out) {
  out->emplace(co_await std::move(task));
}
}  // namespace detail

template <typename T>
T World::run(io::Task<T> task, Duration limit) {
  std::optional<T> result;
  tasks_.spawn(detail::store_result(std::move(task), &result));
  run_until([&] { return result.has_value(); }, limit);
  WEFT_ASSERT(result.has_value());
  return std::move(*result);
}

}  // namespace weft::sim
