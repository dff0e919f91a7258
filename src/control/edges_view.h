// EdgesView: who calls whom, and how it goes, out of the counts that sidecars report every few
// seconds. An edge is seen from both ends: the caller's sidecar counts what it sent, the callee's
// what it received. The caller's view is shown where there is one (it also sees what never
// arrived); the callee's fills in for callers that do not report.
//
// Windows: twelve slots of 5 s, so "the last minute" and "the last 10 s" are sums of whole slots;
// totals count since the server started. Time is the caller's, monotonic.
// Cost: about 2 KB an edge and slot in use; at most kEdges edges (the longest quiet is dropped).
// Not thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/time.h"
#include "telemetry/histogram.h"

namespace weft::control {

struct EdgeKey {
  std::string source, destination, service;
  uint32_t port = 0;
  std::string protocol;
  friend auto operator<=>(const EdgeKey&, const EdgeKey&) = default;
};

struct EdgeCounts {
  uint64_t requests = 0, errors = 0, retries = 0, connections = 0;
  uint64_t bytes_sent = 0, bytes_received = 0;
  telemetry::HistogramData latency;
  void add(const EdgeCounts& other);
};

class EdgesView {
 public:
  static constexpr size_t kSlots = 12;
  static constexpr Duration kSlot = Duration::seconds(5);
  static constexpr size_t kEdges = 20'000;

  struct Row {
    EdgeKey key;
    bool mtls = false;
    EdgeCounts recent;  // of the window asked for
    EdgeCounts total;
    Duration covered{};  // how much of the window the edge has existed
  };

  void add(const EdgeKey& key, bool inbound, bool mtls, const EdgeCounts& counts, Instant now);
  // `window`: at most a minute.
  std::vector<Row> rows(Duration window, Instant now) const;

 private:
  struct Side {
    bool seen = false;
    bool mtls = false;
    Instant first{}, last{};
    EdgeCounts total;
    std::array<EdgeCounts, kSlots> slots;
    std::array<int64_t, kSlots> slot_number{};  // which slot of time each holds
  };
  struct Edge {
    Side outbound, inbound;
  };
  void drop_quietest();

  std::map<EdgeKey, Edge> edges_;
};

}  // namespace weft::control
