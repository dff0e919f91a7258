// Golden signals per edge of the mesh: who called whom, how often, how it ended, how long it took. An
// edge is the pair of verified identities plus the name that was dialled; nothing a peer can make up at
// will (paths, hosts) is part of the key, so the number of series is bounded by the mesh itself, and
// besides by a cap.
//
// Threading: one EdgeTable per worker. Only the worker looks edges up and counts; the main thread takes
// snapshots. The lock guards growth of the table alone; counting never takes it.
#pragma once

#include <atomic>
#include <compare>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "telemetry/histogram.h"

namespace weft::telemetry {

struct EdgeName;

struct EdgeKey {
  std::string source;       // SPIFFE ID; "" = not of the mesh
  std::string destination;  // SPIFFE ID, or "external"
  std::string service;      // "cart.default"; "" when an address was dialled
  uint16_t port = 0;
  std::string protocol;  // http, grpc, tcp
  bool inbound = false;  // seen by the destination's sidecar
  bool mtls = false;

  EdgeName name() const;
  friend auto operator<=>(const EdgeKey&, const EdgeKey&) = default;
};

// The same as views, to look an edge up without copying its names.
struct EdgeName {
  std::string_view source, destination, service;
  uint16_t port = 0;
  std::string_view protocol;
  bool inbound = false;
  bool mtls = false;

  EdgeKey key() const;
  bool operator==(const EdgeKey& key) const;
};

// Counter with one writer: a plain add that other threads may read.
class Counter {
 public:
  void add(uint64_t n = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

struct Edge {
  Counter requests;  // logical ones: retries are apart
  Counter errors;    // 5xx and what the proxy itself had to answer
  Counter retries;
  Counter connections;
  Counter bytes_sent;      // to the destination
  Counter bytes_received;  // from it
  Histogram latency;
};

// The same at rest.
struct EdgeTotals {
  EdgeKey key;
  uint64_t requests = 0, errors = 0, retries = 0, connections = 0;
  uint64_t bytes_sent = 0, bytes_received = 0;
  HistogramData latency;

  void add(const EdgeTotals& other);
  EdgeTotals since(const EdgeTotals& earlier) const;
  bool nothing() const {
    return requests + errors + retries + connections + bytes_sent + bytes_received == 0;
  }
};

class EdgeTable {
 public:
  static constexpr size_t kMaxEdges = 4096;

  // The edge of that key, made on first use; stays valid as long as the table. Past the cap everything
  // new shares one edge whose service is "other". Worker thread only. Costs a hash of the strings: keep
  // the reference with whatever is used again (an endpoint, a connection).
  Edge& edge(const EdgeName& name);
  Edge& edge(const EdgeKey& key) { return edge(key.name()); }
  // Any thread.
  std::vector<EdgeTotals> snapshot() const;

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(const EdgeName& name) const noexcept;
    size_t operator()(const EdgeKey& key) const noexcept;
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(const EdgeKey& a, const EdgeKey& b) const { return a == b; }
    bool operator()(const EdgeName& a, const EdgeKey& b) const { return a == b; }
    bool operator()(const EdgeKey& a, const EdgeName& b) const { return b == a; }
  };
  mutable std::mutex growth_;
  std::unordered_map<EdgeKey, std::unique_ptr<Edge>, Hash, Equal> edges_;
};

// Sums snapshots of several tables by key, in key order.
std::vector<EdgeTotals> merge_edges(std::vector<EdgeTotals> parts);

// Turns running totals into deltas since the last report that was acknowledged: a report that got lost is
// contained in the next.
class EdgeReporter {
 public:
  std::vector<EdgeTotals> deltas(std::vector<EdgeTotals> totals);
  // The report made by the last deltas() arrived.
  void acknowledged();

 private:
  std::vector<EdgeTotals> reported_;  // sorted by key
  std::vector<EdgeTotals> pending_;
};

}  // namespace weft::telemetry
