// By the Service's own policy and its first port: ports differ seldom in who serves them.
#include "proxy/locality_metrics.h"

#include <algorithm>
#include <string>
#include <tuple>
#include <vector>

namespace weft::proxy {
namespace {

struct Row {
  std::string service, distance;
  steer::TierShare share;
};

// "0" is the own zone, "1" the own region, further ones as the policy says.
void add_rows(const EndpointGroup& group, Instant now, std::vector<Row>& rows) {
  if (group.own == steer::Place{} || group.endpoints.size() < 2) return;
  const auto& ports = group.endpoints.front().endpoint.target_ports;
  if (ports.empty()) return;
  const steer::Pool& pool = group.pools.of(group, ports.begin()->first, nullptr);
  if (pool.tiers().size() < 2) return;
  const std::vector<steer::TierShare> shares = pool.shares(now);
  for (size_t i = 0; i < shares.size(); ++i) {
    rows.push_back({group.service.to_string(),
                    std::to_string(pool.tiers()[i].members.front().distance), shares[i]});
  }
}

}  // namespace

void write_localities(telemetry::MetricsText& text, const Snapshot& snapshot, Instant now) {
  std::vector<Row> rows;
  for (const auto& [name, group] : snapshot.endpoints) add_rows(*group, now, rows);
  if (rows.empty()) return;
  std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
    return std::tie(a.service, a.distance) < std::tie(b.service, b.distance);
  });
  text.gauge("weft_locality_share",
             "Part of a service's requests by distance: 0 the own zone, 1 the own region");
  for (const Row& row : rows)
    text.sample({{"service", row.service}, {"distance", row.distance}}, row.share.part);
  text.gauge("weft_locality_panic", "1 where so few instances are well that health is not asked");
  for (const Row& row : rows) {
    text.sample({{"service", row.service}, {"distance", row.distance}},
                uint64_t{row.share.panic ? 1u : 0u});
  }
}

}  // namespace weft::proxy
