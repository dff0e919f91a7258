// Read off the pool that requests are picked from. Which of a tier's endpoints is chosen is the algorithm's affair, by
// load and latency of the moment; here all that it may choose get equal parts, but for slow start.
#include "proxy/endpoint_standing.h"

#include <fmt/format.h>

#include <algorithm>

namespace weft::proxy {
namespace {

// What was seen of it, in words.
std::string seen_text(const LiveEndpoint& live, Instant now) {
  const steer::Ejection& ejection = *live.ejection;
  if (ejection.out(now)) {
    return fmt::format("ejected for another {:.1f} s (for the {}. time)",
                       (ejection.until() - now).to_seconds_f(), ejection.times());
  }
  return live.health->resting(now) ? "rests after a failure" : "ready";
}

struct Seats {
  std::vector<uint32_t> places;  // in the group
  std::vector<double> warmth;
  double all = 0;
};

// Of a tier: who may be picked now.
Seats seats_in(const steer::Pool& pool, const steer::Pool::Tier& tier, bool asked, Instant now) {
  Seats seats;
  for (uint32_t i = 0; i < tier.ready; ++i) {
    const steer::Member& member = tier.members[i];
    if (asked && !member.in(now)) continue;
    seats.places.push_back(member.at);
    seats.warmth.push_back(pool.warmth(member, now));
    seats.all += seats.warmth.back();
  }
  return seats;
}

}  // namespace

std::vector<EndpointStanding> standings_in(const EndpointGroup& group, uint16_t service_port,
                                           const model::BackendPolicy* rule, Instant now) {
  std::vector<EndpointStanding> all;
  for (const LiveEndpoint& live : group.endpoints) {
    const bool serves = live.endpoint.target_ports.contains(service_port);
    all.push_back({.state = !serves ? fmt::format("does not serve port {}", service_port)
                            : !live.endpoint.ready ? "not ready"
                                                   : seen_text(live, now)});
  }
  const steer::Pool& pool = group.pools.of(group, service_port, rule);
  const std::vector<steer::TierShare> shares = pool.shares(now);
  const bool nobody = std::ranges::all_of(shares, [](const auto& one) { return one.part <= 0; });
  bool taken = false;
  for (size_t i = 0; i < shares.size(); ++i) {
    const steer::Pool::Tier& tier = pool.tiers()[i];
    // What was seen never turns the last choice into none: then the nearest that are ready take all.
    const double part = nobody ? (taken ? 0 : 1) : shares[i].part;
    taken = taken || tier.ready > 0;
    const Seats seats = seats_in(pool, tier, !shares[i].panic && !nobody, now);
    for (size_t seat = 0; seat < seats.places.size(); ++seat) {
      EndpointStanding& one = all[seats.places[seat]];
      if (part <= 0) {
        one.state += ", farther away: nearer ones suffice";
        continue;
      }
      one.candidate = true;
      one.share = part * seats.warmth[seat] / seats.all;
      if (seats.warmth[seat] < 1) {
        one.state += fmt::format(", warming up: {:.0f} % of its share", seats.warmth[seat] * 100);
      }
      const LiveEndpoint& live = group.endpoints[seats.places[seat]];
      if (!live.in(now)) {
        one.state += nobody ? ", but nobody else is left" : ", but too few others are left (panic)";
      }
      if (live.endpoint.stale) one.state += ", its sidecar is silent";
    }
  }
  return all;
}

}  // namespace weft::proxy
