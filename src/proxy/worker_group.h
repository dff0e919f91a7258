// WorkerGroup: what the workers of one proxy have in common, and all of it: who serves the next connection,
// and the bounds that hold for the proxy as a whole. (What is known of endpoints is shared through the
// snapshot.) None of it is on the way of a request that finds a connection.
// Any thread; outlives the workers and every connection they were given.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "io/tally.h"
#include "proxy/upstream_bounds.h"

namespace weft::proxy {

// Where connections come in. They are spread for each door apart: one connection of another sidecar may
// carry more than hundreds of the app.
enum class Door : uint8_t { kApp, kMesh, kPublished };

class WorkerGroup {
 public:
  static constexpr size_t kMostWorkers = 64;

  // 1 to kMostWorkers.
  explicit WorkerGroup(size_t workers);

  size_t size() const { return loads_.size(); }

  struct Place {
    size_t worker;
    io::Tally tally;  // counts the connection; to live as long as it does
  };
  // Who shall serve a connection that worker `self` has accepted: of the workers that take any the one with
  // the fewest connections of this door, then of all doors; `self` if it is one of those. Two that ask at
  // the same moment may be told the same.
  Place place(size_t self, Door door);

  // An overloaded worker takes nothing new as long as there is another. Returns whether any does.
  bool take(size_t worker, bool takes);

  // What a worker has been given and has not closed.
  uint32_t connections(size_t worker) const;

  UpstreamBounds& upstream() { return upstream_; }

 private:
  static constexpr size_t kDoors = 3;
  // Each on a cache line of its own: every connection writes there.
  struct alignas(64) Load {
    std::atomic<uint32_t> doors[kDoors] = {};
    std::atomic<bool> takes{true};
    uint32_t all() const;
  };

  std::vector<Load> loads_;
  UpstreamBounds upstream_;
};

}  // namespace weft::proxy
