// Which of those who could serve: a session or a hash names one; where lots are drawn, it says how. By the functions
// of the request path (stickiness.h) and its tables; nothing is claimed.
#include <fmt/format.h>

#include <algorithm>

#include "base/hash.h"
#include "base/text.h"
#include "proxy/balancer.h"
#include "proxy/explain.h"
#include "proxy/stickiness.h"

namespace weft::proxy {
namespace {

std::string name_of(const model::SessionPersistence& sessions) {
  return (sessions.header ? "header " : "cookie ") + sessions.name;
}

const char* how_drawn(model::LoadBalancing::Algorithm algorithm, bool connection) {
  switch (algorithm) {
    case model::LoadBalancing::kPeakEwma:
      return connection ? "of two drawn at random the one with fewer connections"
                        : "of two drawn at random the one with the smaller product of latency and "
                          "requests in hand";
    case model::LoadBalancing::kLeastRequest:
      return "of two drawn at random the one with fewer requests in hand";
    case model::LoadBalancing::kRoundRobin: return "each in its turn";
    case model::LoadBalancing::kRandom:
    case model::LoadBalancing::kRingHash:
    case model::LoadBalancing::kMaglev: break;
  }
  return "drawn at random";
}

// All but the one are left out, because of `why`.
void leave_only(const std::vector<size_t>& chosen, std::string_view why,
                std::vector<EndpointStanding>& standings) {
  double share = 0;
  for (const size_t at : chosen) share += standings[at].share;
  for (size_t i = 0; i < standings.size(); ++i) {
    EndpointStanding& one = standings[i];
    if (!one.candidate) continue;
    one.candidate = std::ranges::find(chosen, i) != chosen.end();
    one.share = one.candidate && share > 0 ? one.share / share : 0;
    if (!one.candidate) one.state += fmt::format(", but {} another", why);
  }
}

}  // namespace

std::vector<Explainer::Share> Explainer::session(const Destination& to, std::vector<Share> shares,
                                                 const wire::Fields& fields) {
  Explanation::Step& step = out_.step("session", "", "none (default)");
  const SessionQuery query{.snapshot = *snapshot_,
                           .fields = fields,
                           .secret = session_secret(worker_.self),
                           .now = now_,
                           .wall = worker_.loop.wall_now()};
  SessionChoice choice;
  bool by_all = true;  // whichever backend weights choose has sessions
  if (rule_ && rule_->persistence) {
    choice = session_of(*rule_, query);
    step.object = origin_of(*rule_);
  } else {
    for (const Share& share : shares) {
      const auto group = share.invalid ? nullptr : group_of(to, share);
      const bool has = group && group->policy && group->policy->session_persistence;
      by_all = by_all && has;
      if (!has || choice.token) continue;
      choice = session_of(rule_, *group, share.port, query);
      step.object = group->policy->session_persistence->origin;
    }
  }
  if (!choice.sessions) return shares;
  const std::string name = name_of(*choice.sessions);
  step.says = "the request brings no " + name + " that holds: the answer gives one";
  step.values = {{"by", name, step.object},
                 {"absoluteTimeout", readable(choice.sessions->absolute_timeout),
                  choice.sessions->absolute_timeout.ns > 0 ? step.object : ""}};
  if (!choice.token) return shares;
  const std::optional<Share> named = named_by_session(to, choice, name, step);
  if (!by_all) {
    step.notes.push_back("that counts when a backend with sessions is chosen by weight");
    session_instance_.clear();
    return shares;
  }
  return named ? std::vector<Share>{*named} : shares;
}

// The backend of the client's session, if there is one to it.
std::optional<Explainer::Share> Explainer::named_by_session(const Destination& to,
                                                            const SessionChoice& choice,
                                                            const std::string& name,
                                                            Explanation::Step& step) {
  std::optional<Share> named;
  if (choice.backend) named = Share{choice.backend->service, choice.backend->port};
  if (!rule_) named = Share{to.service, to.port};
  const auto group = named ? group_of(to, *named) : nullptr;
  const LiveEndpoint* live =
      named ? instance_of(*choice.token, group.get(), named->port, now_) : nullptr;
  if (live) {
    session_instance_ = live->endpoint.workload;
    step.says = fmt::format("the {} of the request names {}", name, session_instance_);
  } else {
    step.says = fmt::format(
        "the instance that the {} of the request names cannot serve: another does, and the answer "
        "names that",
        name);
  }
  return named;
}

void Explainer::choose(const EndpointGroup& group, uint16_t port,
                       std::vector<EndpointStanding>& standings) {
  if (!one_) return;
  if (!session_instance_.empty()) {
    out_.step("choice", "", "the session's instance, " + session_instance_);
    for (size_t i = 0; i < standings.size(); ++i) {
      if (group.endpoints[i].endpoint.workload != session_instance_) continue;
      standings[i].candidate = true;
      standings[i].share = 1;
      leave_only({i}, "the session names", standings);
    }
    return;
  }
  if (std::ranges::count_if(standings, &EndpointStanding::candidate) < 2) return;
  Explanation::Step& step = out_.step("choice", "", "");
  const auto algorithm = group.pools.of(group, port, rule_policy_).policy().balancing.algorithm;
  if (const auto* keys = hash_keys(group, rule_policy_)) {
    choose_by_key(group, port, *keys, standings, step);
  } else {
    step.says = how_drawn(algorithm, head_ == nullptr);
  }
}

void Explainer::choose_by_key(const EndpointGroup& group, uint16_t port,
                              const std::vector<model::RequestKey>& keys,
                              std::vector<EndpointStanding>& standings, Explanation::Step& step) {
  const std::string identity = worker_.self.identity.uri(),
                    address = worker_.self.mesh4.to_string();
  const bool at_gateway = worker_.presence == Presence::kGateway;
  const steer::RequestParts parts{.fields = head_ ? &head_->fields : nullptr,
                                  .target = head_ ? std::string_view(head_->target) : "",
                                  .identity = identity,
                                  .address = address};
  std::string scratch;
  const auto part = hashed_part(keys, parts, scratch);
  if (!part || !part->value) {
    step.says = part ? fmt::format(
                           "drawn at random: the request has no {}, and the answer gives it "
                           "one",
                           readable(*part->key))
                     : "drawn at random: the request has nothing to hash by";
    return;
  }
  if (at_gateway && part->key->kind == model::RequestKey::kSourceAddress) {
    step.says = "the one to which the hash of the client's address falls";
    return;
  }
  const uint64_t key = xxh64(*part->value);
  std::vector<size_t> chosen;
  std::vector<std::string> names;
  const steer::Pool& pool = group.pools.of(group, port, rule_policy_);
  for (const steer::Pool::Tier& tier : pool.tiers()) {
    const uint32_t places = tier.table.empty() ? 0 : tier.table.places();
    for (uint32_t i = 0; i < places; ++i) {
      const uint32_t at = tier.members[tier.table.member_at(tier.table.place_of(key) + i)].at;
      if (!standings[at].candidate) continue;
      chosen.push_back(at);
      names.push_back(group.endpoints[at].endpoint.workload);
      break;
    }
  }
  step.says = fmt::format("the hash of {} falls to {}", readable(*part->key), join(names, " or "));
  step.values.push_back({readable(*part->key), std::string(*part->value), "the request"});
  const uint32_t bound = pool.policy().balancing.bounded_load_percent;
  if (bound > 0) {
    step.notes.push_back(fmt::format(
        "unless it has {} % of the mean load already: then to the next that has not", bound));
    return;
  }
  leave_only(chosen, "the key falls to", standings);
}

}  // namespace weft::proxy
