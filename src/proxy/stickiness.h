// What ties a request to one instance: a session (of its rule, or of the Service), or the key of a policy that
// hashes. Pure decisions, for the request path and for what it is asked about itself (explain.h).
//
// A session decides before weights do, even for a backend whose weight is 0 by now (GEP-1619, "Traffic
// Splitting"); it never decides against health: an instance that is not ready or left out is passed over, and
// the answer names its successor. A rule's sessions come before the Service's.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/snapshot.h"
#include "proxy/worker.h"
#include "steer/request_key.h"
#include "steer/session.h"
#include "wire/message.h"

namespace weft::proxy {

// Who asks, and of what. All outlive the question.
struct SessionQuery {
  const Snapshot& snapshot;
  const wire::Fields& fields;  // the app's own
  std::string_view secret;     // of the trust domain
  Instant now;
  WallTime wall;
};

struct SessionChoice {
  const model::SessionPersistence* sessions = nullptr;  // in force; null: none
  std::optional<steer::SessionToken> token;             // the client's, of these and not over
  const model::Backend* backend = nullptr;              // that the token asks for
};

// The rule has sessions.
SessionChoice session_of(const model::RouteRule& rule, const SessionQuery& query);
// A Service's. `rule`: without sessions of its own; null: none. `group`, `port`: the backend that weights chose: if
// that has sessions, one that the client has with any backend of the rule counts.
SessionChoice session_of(const model::RouteRule* rule, const EndpointGroup& group, uint16_t port,
                         const SessionQuery& query);

// The instance of the token, if it can serve.
const LiveEndpoint* instance_of(const steer::SessionToken& token, const EndpointGroup* group,
                                uint16_t port, Instant now);

// Only mesh members know the prefix of the mesh's own addresses, which never changes.
inline const std::string& session_secret(const Self& self) { return self.mesh6_range; }

// The first part of the request that a hashing policy finds; a cookie that is to be given to the client comes without
// a value. Nothing: the request has none of them. The value is a view of the parts, or of `scratch`.
struct HashedPart {
  const model::RequestKey* key;
  std::optional<std::string_view> value;
};
std::optional<HashedPart> hashed_part(const std::vector<model::RequestKey>& keys,
                                      const steer::RequestParts& parts, std::string& scratch);

}  // namespace weft::proxy
