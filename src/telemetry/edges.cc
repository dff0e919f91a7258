// Edges live in a node-based map so that references stay valid while it grows; the worker's own lookups
// need no lock because only the worker changes the map.
#include "telemetry/edges.h"

#include <algorithm>
#include <functional>
#include <map>

namespace weft::telemetry {

EdgeKey EdgeName::key() const {
  return {.source = std::string(source),
          .destination = std::string(destination),
          .service = std::string(service),
          .port = port,
          .protocol = std::string(protocol),
          .inbound = inbound,
          .mtls = mtls};
}

bool EdgeName::operator==(const EdgeKey& key) const {
  return source == key.source && destination == key.destination && service == key.service &&
         port == key.port && protocol == key.protocol && inbound == key.inbound && mtls == key.mtls;
}

EdgeName EdgeKey::name() const {
  return {.source = source,
          .destination = destination,
          .service = service,
          .port = port,
          .protocol = protocol,
          .inbound = inbound,
          .mtls = mtls};
}

size_t EdgeTable::Hash::operator()(const EdgeKey& key) const noexcept {
  return (*this)(key.name());
}

size_t EdgeTable::Hash::operator()(const EdgeName& key) const noexcept {
  const std::hash<std::string_view> hash;
  size_t h = hash(key.source);
  for (size_t part : {hash(key.destination), hash(key.service), hash(key.protocol),
                      static_cast<size_t>(key.port) << 2 | static_cast<size_t>(key.inbound) << 1 |
                          static_cast<size_t>(key.mtls)}) {
    h = h * 1099511628211u + part;
  }
  return h;
}

Edge& EdgeTable::edge(const EdgeName& name) {
  const auto known = edges_.find(name);
  if (known != edges_.end()) return *known->second;
  EdgeKey wanted = name.key();
  if (edges_.size() >= kMaxEdges) {
    wanted = EdgeKey{.service = "other", .protocol = wanted.protocol, .inbound = name.inbound};
  }
  const std::lock_guard lock(growth_);
  auto& slot = edges_[std::move(wanted)];
  if (!slot) slot = std::make_unique<Edge>();
  return *slot;
}

std::vector<EdgeTotals> EdgeTable::snapshot() const {
  const std::lock_guard lock(growth_);
  std::vector<EdgeTotals> all;
  all.reserve(edges_.size());
  for (const auto& [key, edge] : edges_) {
    all.push_back({.key = key,
                   .requests = edge->requests.value(),
                   .errors = edge->errors.value(),
                   .retries = edge->retries.value(),
                   .connections = edge->connections.value(),
                   .bytes_sent = edge->bytes_sent.value(),
                   .bytes_received = edge->bytes_received.value(),
                   .latency = edge->latency.snapshot()});
  }
  return all;
}

void EdgeTotals::add(const EdgeTotals& other) {
  requests += other.requests;
  errors += other.errors;
  retries += other.retries;
  connections += other.connections;
  bytes_sent += other.bytes_sent;
  bytes_received += other.bytes_received;
  latency.merge(other.latency);
}

EdgeTotals EdgeTotals::since(const EdgeTotals& earlier) const {
  return {.key = key,
          .requests = requests - earlier.requests,
          .errors = errors - earlier.errors,
          .retries = retries - earlier.retries,
          .connections = connections - earlier.connections,
          .bytes_sent = bytes_sent - earlier.bytes_sent,
          .bytes_received = bytes_received - earlier.bytes_received,
          .latency = latency.since(earlier.latency)};
}

std::vector<EdgeTotals> merge_edges(std::vector<EdgeTotals> parts) {
  std::map<EdgeKey, EdgeTotals> merged;
  for (EdgeTotals& part : parts) {
    auto [at, fresh] = merged.try_emplace(part.key, part);
    if (!fresh) at->second.add(part);
  }
  std::vector<EdgeTotals> result;
  result.reserve(merged.size());
  for (auto& [key, totals] : merged) result.push_back(std::move(totals));
  return result;
}

std::vector<EdgeTotals> EdgeReporter::deltas(std::vector<EdgeTotals> totals) {
  pending_ = merge_edges(std::move(totals));
  std::vector<EdgeTotals> result;
  for (const EdgeTotals& now : pending_) {
    const auto before = std::lower_bound(
        reported_.begin(), reported_.end(), now.key,
        [](const EdgeTotals& totals_at, const EdgeKey& key) { return totals_at.key < key; });
    const bool known = before != reported_.end() && before->key == now.key;
    EdgeTotals delta = known ? now.since(*before) : now;
    if (!delta.nothing()) result.push_back(std::move(delta));
  }
  return result;
}

void EdgeReporter::acknowledged() { reported_ = std::move(pending_); }

}  // namespace weft::telemetry
