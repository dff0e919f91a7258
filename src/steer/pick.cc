// The fast path of each algorithm takes what it drew if that may be picked. Otherwise the tier is walked:
// once to count who may be picked (and whether that is so few that health is not asked), once to take of
// them what chance says, so that the share of an endpoint that is out falls on all others alike.
#include "steer/pick.h"

#include <algorithm>
#include <cmath>

#include "steer/slow_start.h"

namespace weft::steer {
namespace {

using Algorithm = model::LoadBalancing;

constexpr double kUnmeasured = 1;  // seconds
constexpr int kTurns = 8;          // of a round robin, before one that is still warming up is taken
constexpr double kShareUnit = 4294967296.0;

double busyness(const EndpointHealth& endpoint) { return endpoint.active() + 1.0; }

// May the member be picked? `asked`: what we have seen of it counts.
bool usable(const Member& member, const PickQuery& query, bool asked) {
  return !query.tried.has(member.health) && (!asked || member.in(query.now));
}

// Another question to the same key, for the choice of a tier.
double unit_of(uint64_t key) {
  return static_cast<double>((key * 0x9e3779b97f4a7c15) >> 11) * 0x1.0p-53;
}

}  // namespace

double peak_ewma_load(const EndpointHealth& endpoint, Instant now) {
  const double cost = endpoint.latency.cost(now);
  if (cost > 0) return cost * busyness(endpoint);
  return endpoint.active() == 0 ? 0 : kUnmeasured * busyness(endpoint);
}

Pool::Pool(std::vector<Member> members, PickPolicy policy) : policy_(std::move(policy)) {
  std::sort(members.begin(), members.end(), [](const Member& a, const Member& b) {
    if (a.distance != b.distance) return a.distance < b.distance;
    return a.ready != b.ready ? a.ready : a.at < b.at;
  });
  for (const Member& member : members) {
    if (tiers_.empty() || tiers_.back().members.front().distance != member.distance)
      tiers_.emplace_back();
    tiers_.back().members.push_back(member);
    if (member.ready) ++tiers_.back().ready;
  }
  if (!hashes()) return;
  for (Tier& tier : tiers_) {
    // Those that are not ready keep their places: they come back.
    std::vector<uint64_t> names;
    for (const Member& member : tier.members) names.push_back(member.name);
    names.resize(std::min<size_t>(names.size(), 65'535));
    tier.table = policy_.balancing.algorithm == Algorithm::kMaglev ? HashTable::maglev(names)
                                                                   : HashTable::ring(names);
  }
}

bool Pool::hashes() const {
  return policy_.balancing.algorithm == Algorithm::kRingHash ||
         policy_.balancing.algorithm == Algorithm::kMaglev;
}

std::optional<uint32_t> Pool::pick(const PickQuery& query) const {
  if (tiers_.empty()) return std::nullopt;
  if (tiers_.size() == 1) {
    Index chosen = pick_in(tiers_.front(), query);
    return chosen ? chosen : anyone(tiers_.front(), query);
  }
  const size_t first = choose_tier(query);
  if (Index chosen = pick_in(tiers_[first], query)) return chosen;
  for (const Tier& tier : tiers_) {
    if (Index chosen = pick_in(tier, query)) return chosen;
  }
  for (const Tier& tier : tiers_) {
    if (Index chosen = anyone(tier, query)) return chosen;
  }
  return std::nullopt;
}

std::vector<TierShare> Pool::shares(Instant now) const {
  std::vector<TierHealth> health;
  for (const Tier& tier : tiers_) {
    TierHealth one{0, static_cast<uint32_t>(tier.members.size())};
    for (uint32_t i = 0; i < tier.ready; ++i) one.in += tier.members[i].in(now) ? 1 : 0;
    health.push_back(one);
  }
  return spread(policy_.locality, health);
}

size_t Pool::choose_tier(const PickQuery& query) const {
  // Whoever moves the mark looks; the others go by what was seen last.
  int64_t looked = looked_.load(std::memory_order_relaxed);
  if ((looked == INT64_MIN || query.now.ns - looked >= kLook.ns) &&
      looked_.compare_exchange_strong(looked, query.now.ns, std::memory_order_relaxed)) {
    const std::vector<TierShare> shares = this->shares(query.now);
    double sum = 0;
    for (size_t i = 0; i < shares.size(); ++i) {
      sum += shares[i].part;
      const double to = std::min(sum * kShareUnit, kShareUnit - 1);
      tiers_[i].share_to.store(static_cast<uint32_t>(to), std::memory_order_relaxed);
      tiers_[i].panic.store(shares[i].panic, std::memory_order_relaxed);
    }
  }
  // The same key keeps its tier.
  const double unit = hashes() && query.key ? unit_of(*query.key) : query.random.unit();
  for (size_t i = 0; i < tiers_.size(); ++i) {
    if (unit * kShareUnit < tiers_[i].share_to.load(std::memory_order_relaxed)) return i;
  }
  return 0;
}

double Pool::warmth(const Member& member, Instant now) const {
  if (!policy_.slow_start) return 1;
  const Instant since = std::max(member.health->joined(), member.ejection->until());
  if (since == Instant{} || since > now) return 1;
  return slow_start_share(*policy_.slow_start, now - since);
}

double Pool::load(const Member& member, const PickQuery& query) const {
  // A trial is one request, which must not wait until a bad memory has faded.
  if (member.health->trial_due(query.now)) return -1;
  const bool by_latency = policy_.balancing.algorithm == Algorithm::kPeakEwma && !query.connection;
  const double load =
      by_latency ? peak_ewma_load(*member.health, query.now) : busyness(*member.health);
  return policy_.slow_start ? load / warmth(member, query.now) : load;
}

Pool::Index Pool::pick_in(const Tier& tier, const PickQuery& query) const {
  if (tier.ready == 0) return std::nullopt;
  if (tier.panic.load(std::memory_order_relaxed)) return slowly(tier, query);
  Index chosen;
  switch (policy_.balancing.algorithm) {
    case Algorithm::kPeakEwma:
    case Algorithm::kLeastRequest: chosen = two_choices(tier, query); break;
    case Algorithm::kRoundRobin: chosen = next_turn(tier, query); break;
    case Algorithm::kRandom: chosen = drawn(tier, query); break;
    case Algorithm::kRingHash:
    case Algorithm::kMaglev: return slowly(tier, query);
  }
  return chosen ? chosen : slowly(tier, query);
}

Pool::Index Pool::two_choices(const Tier& tier, const PickQuery& query) const {
  const uint32_t first = static_cast<uint32_t>(query.random.below(tier.ready));
  uint32_t second = first;
  if (tier.ready > 1) {
    second = static_cast<uint32_t>(query.random.below(tier.ready - 1));
    if (second >= first) ++second;
  }
  const Member& a = tier.members[first];
  const Member& b = tier.members[second];
  if (!usable(a, query, true) || !usable(b, query, true)) return std::nullopt;
  const Member& chosen = load(b, query) < load(a, query) ? b : a;
  if (!chosen.health->claim(query.now)) return std::nullopt;
  return chosen.at;
}

// All workers take their turns from one counter, which begins anywhere.
Pool::Index Pool::next_turn(const Tier& tier, const PickQuery& query) const {
  if (turn_.load(std::memory_order_relaxed) == 0) {
    uint64_t none = 0;
    turn_.compare_exchange_strong(none, 1 + (query.random.next() >> 1), std::memory_order_relaxed);
  }
  for (int i = 0; i < kTurns; ++i) {
    const uint64_t turn = turn_.fetch_add(1, std::memory_order_relaxed);
    const Member& member = tier.members[turn % tier.ready];
    if (!usable(member, query, true)) return std::nullopt;
    const bool cold =
        policy_.slow_start && i + 1 < kTurns && query.random.unit() >= warmth(member, query.now);
    if (cold) continue;
    return member.health->claim(query.now) ? Index(member.at) : std::nullopt;
  }
  return std::nullopt;
}

Pool::Index Pool::drawn(const Tier& tier, const PickQuery& query) const {
  const Member& member = tier.members[query.random.below(tier.ready)];
  const bool taken = usable(member, query, true) && member.health->claim(query.now);
  return taken ? Index(member.at) : std::nullopt;
}

// The first member from the key's place on that may be picked and has room.
Pool::Index Pool::by_key(const Tier& tier, const PickQuery& query, bool asked) const {
  uint64_t active = 0, count = 0;
  const bool bounded = policy_.balancing.bounded_load_percent > 0;
  for (uint32_t i = 0; bounded && i < tier.ready; ++i) {
    if (!usable(tier.members[i], query, asked)) continue;
    active += tier.members[i].health->active();
    ++count;
  }
  // Of n endpoints each holds at most ceil(c (active + 1) / n), which leaves room on one at least.
  const uint64_t percent = std::max(policy_.balancing.bounded_load_percent, 100u);
  const uint64_t bound =
      count == 0 ? 0 : (percent * (active + 1) + count * 100 - 1) / (count * 100);
  const uint32_t begin = tier.table.place_of(query.key ? *query.key : query.random.next());
  const Member* full = nullptr;
  for (uint32_t i = 0; i < tier.table.places(); ++i) {
    const Member& member = tier.members[tier.table.member_at(begin + i)];
    if (!member.ready || !usable(member, query, asked)) continue;
    if (!bounded || member.health->active() < bound) {
      member.health->claim(query.now);
      return member.at;
    }
    if (!full) full = &member;  // others may have filled up the rest meanwhile
  }
  return full ? Index(full->at) : std::nullopt;
}

// Knows who may be picked before it picks.
Pool::Index Pool::slowly(const Tier& tier, const PickQuery& query) const {
  uint32_t here = 0, in = 0;
  for (uint32_t i = 0; i < tier.ready; ++i) {
    if (!usable(tier.members[i], query, false)) continue;
    ++here;
    if (tier.members[i].in(query.now)) ++in;
  }
  // Of several tiers, choose_tier() knows.
  bool panic = tier.panic.load(std::memory_order_relaxed);
  if (tiers_.size() == 1) {
    const bool now = uint64_t{in} * 100 < uint64_t{here} * policy_.locality.panic_percent;
    if (now != panic && query.tried.empty()) tier.panic.store(now, std::memory_order_relaxed);
    panic = now;
  }
  const bool asked = !(panic && here > 0);
  if (asked && in == 0) return std::nullopt;
  if (hashes()) return by_key(tier, query, asked);
  return among(tier, query, asked ? in : here, asked);
}

// Whatever was seen of it.
Pool::Index Pool::anyone(const Tier& tier, const PickQuery& query) const {
  if (tier.ready == 0) return std::nullopt;
  return hashes() ? by_key(tier, query, false) : among(tier, query, tier.ready, false);
}

// One of the `count` members that may be picked, or the better one of two.
Pool::Index Pool::among(const Tier& tier, const PickQuery& query, uint32_t count,
                        bool asked) const {
  if (count == 0) return std::nullopt;
  const bool two = policy_.balancing.algorithm == Algorithm::kPeakEwma ||
                   policy_.balancing.algorithm == Algorithm::kLeastRequest;
  const uint64_t first = query.random.below(count);
  const uint64_t second = two ? query.random.below(count) : first;
  const Member* a = nullptr;
  const Member* b = nullptr;
  const Member* last = nullptr;
  uint32_t seen = 0;
  for (uint32_t i = 0; i < tier.ready; ++i) {
    const Member& member = tier.members[i];
    if (!usable(member, query, asked)) continue;
    last = &member;
    if (seen == first) a = &member;
    if (seen == second) b = &member;
    ++seen;
  }
  // There may be fewer than a moment ago.
  if (!a) a = last;
  if (!a) return std::nullopt;
  const Member* chosen = b && load(*b, query) < load(*a, query) ? b : a;
  chosen->health->claim(query.now);
  return chosen->at;
}

}  // namespace weft::steer
