// At each instant all loops are turned in the order they were made until nobody has work; then the clock
// jumps to the next timer or arrival. Nothing depends on addresses or real time.
#include "sim/world.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/hash.h"

namespace weft::sim {

namespace {
// So many turns at one instant mean that something waits in a circle.
constexpr int kTurnsPerInstant = 1'000'000;
}  // namespace

Node::Node(Fabric& fabric, Scheduler& scheduler, std::string name, uint64_t seed)
    : fabric_(fabric), scheduler_(scheduler), random_(xxh64(name, seed)) {
  host_.name = std::move(name);
  fabric.add_host(host_);
  const uint32_t number = host_.id + 1;
  std::array<uint8_t, 16> six{0xfd};
  six[14] = static_cast<uint8_t>(number >> 8);
  six[15] = static_cast<uint8_t>(number);
  host_.addresses = {IpAddress::v4(0x0a000000 + number), IpAddress::v6(six)};
}

SimThread& Node::thread(const std::string& name) {
  for (auto& [known, thread] : threads_) {
    if (known == name) return *thread;
  }
  threads_.emplace_back(name, std::make_unique<SimThread>(fabric_, scheduler_, host_));
  return *threads_.back().second;
}

World::World(uint64_t seed) : seed_(seed), random_(seed), fabric_(scheduler_, random_, trace_) {}

World::~World() {
  tasks_.cancel_all();
  // What loops and wires still hold are streams, which need every host to say goodbye.
  for (auto& node : nodes_) {
    for (auto& [name, thread] : node->threads_) thread->loop.stop();
  }
  scheduler_.clear();
}

Node& World::node(const std::string& name) {
  for (auto& node : nodes_) {
    if (node->name() == name) return *node;
  }
  nodes_.push_back(std::make_unique<Node>(fabric_, scheduler_, name, seed_));
  return *nodes_.back();
}

void World::settle() {
  for (int turns = 0; turns < kTurnsPerInstant; ++turns) {
    bool any = scheduler_.run_due();
    // By index: a turn may make nodes and threads. NOLINTNEXTLINE(modernize-loop-convert)
    for (size_t n = 0; n < nodes_.size(); ++n) {
      // NOLINTNEXTLINE(modernize-loop-convert)
      for (size_t t = 0; t < nodes_[n]->threads_.size(); ++t) {
        any |= nodes_[n]->threads_[t].second->loop.turn_if_needed();
      }
    }
    if (!any) return;
  }
  WEFT_ASSERT(!"the simulation turns in a circle without time passing");
}

// Moves the clock to what comes next, at most to `limit`; false when it is there already.
bool World::advance(Instant limit) {
  if (scheduler_.now() >= limit) return false;
  Instant next = limit;
  Instant at;
  if (scheduler_.next(at)) next = std::min(next, at);
  for (const auto& node : nodes_) {
    for (const auto& [name, thread] : node->threads_) {
      if (thread->loop.next_timer(at)) next = std::min(next, at);
    }
  }
  scheduler_.advance_to(std::max(next, scheduler_.now()));
  return true;
}

void World::run_for(Duration span) {
  const Instant end = now() + span;
  do settle();
  while (advance(end));
}

bool World::run_until(const std::function<bool()>& done, Duration limit) {
  const Instant end = now() + limit;
  for (;;) {
    settle();
    if (done()) return true;
    if (!advance(end)) return false;
  }
}

void World::run(io::Task<void> task, Duration limit) {
  const auto flagged = [](io::Task<void> inner) -> io::Task<bool> {
    co_await std::move(inner);
    co_return true;
  };
  run(flagged(std::move(task)), limit);
}

void World::crash(Node& node) {
  fabric_.crash(node.host_);
  node.disk_.crash(&random_);
  for (auto& [name, thread] : node.threads_) thread->loop.stop();
}

void World::restart(Node& node) {
  trace_.add(now(), "restart " + node.name());
  node.host_.up = true;
  for (auto& [name, thread] : node.threads_) thread->loop.start();
}

}  // namespace weft::sim
