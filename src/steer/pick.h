// Pool: the endpoints that can serve one port of a backend, prepared for picking by one policy, and the
// pick. Made once per version of the endpoints and policy, then only read: what changes while it lives is
// the endpoints' own state (EndpointHealth), which all workers and all versions share, the turn of a
// round robin, and the shares of tiers, looked at anew every kLook.
//
// Who may be picked: ready (the instance's own word, always asked), not tried by this request before, not
// left out by what was seen of it (rest, ejection). When the share of the latter is below the panic
// threshold, or nobody else is left, what was seen is not asked.
//
// Any thread. A pick allocates nothing and takes no lock; it costs two draws in the usual case, a walk over
// the tier's endpoints when it meets one that is out.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "base/random.h"
#include "model/policy.h"
#include "steer/ejection.h"
#include "steer/endpoint_health.h"
#include "steer/hash_table.h"
#include "steer/locality.h"

namespace weft::steer {

// Endpoints a request has tried before: the last kMost. Only compared, never followed.
class Tried {
 public:
  static constexpr size_t kMost = 8;
  void add(const EndpointHealth* endpoint) { last_[count_++ % kMost] = endpoint; }
  bool empty() const { return count_ == 0; }
  bool has(const EndpointHealth* endpoint) const {
    for (size_t i = 0; i < std::min(count_, kMost); ++i) {
      if (last_[i] == endpoint) return true;
    }
    return false;
  }

 private:
  std::array<const EndpointHealth*, kMost> last_{};
  size_t count_ = 0;
};

// What decides a pick besides the endpoints.
struct PickPolicy {
  model::LoadBalancing balancing;
  std::optional<model::SlowStart> slow_start;
  model::Locality locality;
  friend bool operator==(const PickPolicy&, const PickPolicy&) = default;
};

// One endpoint, as a pool sees it.
struct Member {
  EndpointHealth* health;    // both outlive the pool
  const Ejection* ejection;  // by the policies of this service
  uint32_t at;               // its place in the caller's list
  bool ready;
  uint32_t distance;  // locality.h
  uint64_t name;      // hash of what it is called

  // May it be picked, as far as we have seen?
  bool in(Instant now) const { return !health->resting(now) && !ejection->out(now); }
};

struct PickQuery {
  Instant now;
  Random& random;
  const Tried& tried;  // outlives the query
  // Of what the policy tells requests apart by; without one the key is drawn.
  std::optional<uint64_t> key = std::nullopt;
  // Opaque connections: an answer's latency means nothing, so peak EWMA falls back to least requests.
  bool connection = false;
};

class Pool {
 public:
  static constexpr Duration kLook = Duration::millis(20);

  Pool(std::vector<Member> members, PickPolicy policy);

  // The member's place in the caller's list; nothing when nobody untried is ready.
  std::optional<uint32_t> pick(const PickQuery& query) const;

  const PickPolicy& policy() const { return policy_; }
  // For reports: members by tier, nearest first; and each tier's share of the traffic now.
  struct Tier {
    std::vector<Member> members;  // ready ones first
    uint32_t ready = 0;
    HashTable table;
    mutable std::atomic<uint32_t> share_to{0};  // of 2^32, with those of nearer tiers
    mutable std::atomic<bool> panic{false};
  };
  const std::deque<Tier>& tiers() const { return tiers_; }
  std::vector<TierShare> shares(Instant now) const;
  // The part of its share that it gets in its slow start; 1 without.
  double warmth(const Member& member, Instant now) const;

 private:
  using Index = std::optional<uint32_t>;
  size_t choose_tier(const PickQuery& query) const;
  Index pick_in(const Tier& tier, const PickQuery& query) const;
  Index two_choices(const Tier& tier, const PickQuery& query) const;
  Index next_turn(const Tier& tier, const PickQuery& query) const;
  Index drawn(const Tier& tier, const PickQuery& query) const;
  Index by_key(const Tier& tier, const PickQuery& query, bool asked) const;
  Index slowly(const Tier& tier, const PickQuery& query) const;
  Index anyone(const Tier& tier, const PickQuery& query) const;
  Index among(const Tier& tier, const PickQuery& query, uint32_t count, bool asked) const;
  double load(const Member& member, const PickQuery& query) const;
  bool hashes() const;

  const PickPolicy policy_;
  std::deque<Tier> tiers_;
  mutable std::atomic<uint64_t> turn_{0};
  mutable std::atomic<int64_t> looked_{INT64_MIN};
};

// The cost of one more request on the endpoint for peak EWMA; smaller is better. Never measured: an idle
// endpoint is asked at once, a busy one counts as slow (1 s) until its first answer, so a newcomer gets
// one request to be measured by, neither none nor all of them.
double peak_ewma_load(const EndpointHealth& endpoint, Instant now);

}  // namespace weft::steer
