// A ring of time slots per edge and direction; a slot is emptied when its turn comes again, so
// nothing has to run in the background.
#include "control/edges_view.h"

#include <algorithm>
#include <set>

namespace weft::control {
namespace {

int64_t slot_of(Instant now) { return now.ns / EdgesView::kSlot.ns; }

}  // namespace

void EdgeCounts::add(const EdgeCounts& other) {
  requests += other.requests;
  errors += other.errors;
  retries += other.retries;
  connections += other.connections;
  bytes_sent += other.bytes_sent;
  bytes_received += other.bytes_received;
  latency.merge(other.latency);
}

void EdgesView::drop_quietest() {
  auto quietest = edges_.end();
  Instant oldest{INT64_MAX};
  for (auto it = edges_.begin(); it != edges_.end(); ++it) {
    Instant last = std::max(it->second.outbound.last, it->second.inbound.last);
    if (last < oldest) {
      oldest = last;
      quietest = it;
    }
  }
  if (quietest != edges_.end()) edges_.erase(quietest);
}

void EdgesView::add(const EdgeKey& key, bool inbound, bool mtls, const EdgeCounts& counts,
                    Instant now) {
  auto it = edges_.find(key);
  if (it == edges_.end()) {
    if (edges_.size() >= kEdges) drop_quietest();
    it = edges_.try_emplace(key).first;
  }
  Side& side = inbound ? it->second.inbound : it->second.outbound;
  if (!side.seen) side.first = now;
  side.seen = true;
  side.mtls = mtls;
  side.last = now;
  int64_t number = slot_of(now);
  size_t slot = static_cast<size_t>(number) % kSlots;
  if (side.slot_number[slot] != number) {
    side.slots[slot] = {};
    side.slot_number[slot] = number;
  }
  side.slots[slot].add(counts);
  side.total.add(counts);
}

std::vector<EdgesView::Row> EdgesView::rows(Duration window, Instant now) const {
  std::set<std::pair<std::string, std::string>> seen_by_callers;
  for (const auto& [key, edge] : edges_) {
    if (edge.outbound.seen) seen_by_callers.emplace(key.source, key.destination);
  }
  int64_t newest = slot_of(now);
  int64_t count = std::min<int64_t>(window.ns / kSlot.ns, kSlots);
  std::vector<Row> rows;
  for (const auto& [key, edge] : edges_) {
    if (!edge.outbound.seen && seen_by_callers.contains({key.source, key.destination})) continue;
    const Side& side = edge.outbound.seen ? edge.outbound : edge.inbound;
    Row row{key, side.mtls, {}, side.total, {}};
    for (size_t i = 0; i < kSlots; ++i) {
      if (side.slot_number[i] > newest - count && side.slot_number[i] <= newest) {
        row.recent.add(side.slots[i]);
      }
    }
    row.covered = std::clamp(now - side.first, kSlot, window);
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace weft::control
