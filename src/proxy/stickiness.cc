// Looking for the instance of a tag costs a hash for each endpoint of the backend; nothing where neither rule nor
// Service has sessions.
#include "proxy/stickiness.h"

#include "wire/cookie.h"

namespace weft::proxy {
namespace {

std::optional<steer::SessionToken> token_in(const model::SessionPersistence& rules,
                                            const SessionQuery& query) {
  const auto text =
      rules.header ? query.fields.get(rules.name) : wire::cookie_value(query.fields, rules.name);
  if (!text) return std::nullopt;
  auto token = steer::SessionToken::decode(*text);
  return token && steer::session_holds(*token, rules, query.wall) ? token : std::nullopt;
}

const model::SessionPersistence* sessions_of(const EndpointGroup& group) {
  const bool has = group.policy && group.policy->session_persistence;
  return has ? &group.policy->session_persistence->value : nullptr;
}

// A backend without weight keeps its sessions, and gets no others.
bool keeps(const model::Backend& backend, const steer::SessionToken& token,
           const EndpointGroup* group, Instant now) {
  return backend.weight > 0 || instance_of(token, group, backend.port, now);
}

}  // namespace

SessionChoice session_of(const model::RouteRule& rule, const SessionQuery& query) {
  SessionChoice out{.sessions = &*rule.persistence, .token = {}};
  const auto token = token_in(*rule.persistence, query);
  if (!token) return out;
  for (const model::Backend& backend : rule.backends) {
    if (backend.invalid || steer::backend_tag(query.secret, rule, backend) != token->backend) {
      continue;
    }
    out.token = token;
    const auto group = query.snapshot.group(backend.service);
    if (keeps(backend, *token, group.get(), query.now)) out.backend = &backend;
    break;
  }
  return out;
}

SessionChoice session_of(const model::RouteRule* rule, const EndpointGroup& group, uint16_t port,
                         const SessionQuery& query) {
  SessionChoice out{.sessions = sessions_of(group), .token = {}};
  if (!out.sessions) return out;
  const auto token_for = [&](const EndpointGroup& of, uint16_t at) {
    auto token = token_in(*sessions_of(of), query);
    const bool fits = token && token->backend == steer::service_tag(query.secret, of.service, at);
    return fits ? token : std::nullopt;
  };
  if (!rule) {
    out.token = token_for(group, port);
    return out;
  }
  for (const model::Backend& backend : rule->backends) {
    const auto other = query.snapshot.group(backend.service);
    if (backend.invalid || !other || !sessions_of(*other)) continue;
    const auto token = token_for(*other, backend.port);
    if (!token || !keeps(backend, *token, other.get(), query.now)) continue;
    return {.sessions = sessions_of(*other), .token = token, .backend = &backend};
  }
  return out;
}

const LiveEndpoint* instance_of(const steer::SessionToken& token, const EndpointGroup* group,
                                uint16_t port, Instant now) {
  if (!group) return nullptr;
  for (const LiveEndpoint& live : group->endpoints) {
    if (steer::instance_tag(token.backend, live.endpoint.workload) != token.instance) continue;
    const bool usable =
        live.endpoint.ready && live.endpoint.target_ports.contains(port) && live.in(now);
    return usable ? &live : nullptr;
  }
  return nullptr;
}

std::optional<HashedPart> hashed_part(const std::vector<model::RequestKey>& keys,
                                      const steer::RequestParts& parts, std::string& scratch) {
  for (const model::RequestKey& key : keys) {
    if (const auto value = steer::value_of(key, parts, scratch)) {
      return HashedPart{&key, value};
    }
    const bool given = key.kind == model::RequestKey::kCookie && key.cookie_ttl.ns > 0;
    if (given && parts.fields) return HashedPart{&key, std::nullopt};
  }
  return std::nullopt;
}

}  // namespace weft::proxy
