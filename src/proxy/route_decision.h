// Which rule decides on a request, and what it does to it: what the request path carries out and `weft explain`
// tells. Pure functions of a snapshot and a request head; nothing is counted and nobody's turn is used up.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "proxy/destination.h"
#include "proxy/local_reply.h"
#include "proxy/router.h"
#include "proxy/snapshot.h"
#include "wire/message.h"

namespace weft::proxy {

// A request as rules look at it. The head outlives it.
class RoutedRequest {
 public:
  RoutedRequest(const wire::RequestHead& head, const CompiledPort& port,
                std::string_view caller_namespace, bool grpc);
  RoutedRequest(const RoutedRequest&) = delete;
  RoutedRequest& operator=(const RoutedRequest&) = delete;
  const RequestView& view() const { return view_; }

 private:
  const std::string host_;
  const RequestView view_;
};

struct RuleChoice {
  const LiveService* service = nullptr;    // of the snapshot; null: not known, or a workload
  const LiveListener* listener = nullptr;  // of a Gateway: that the Host belongs to
  const CompiledPort* port = nullptr;      // of the service, or of that listener
  std::shared_ptr<const CompiledRule>
      rule;  // null: no route concerns the caller, the destination itself serves
  std::optional<LocalReply> refused;  // the request goes no further
};

// Dot segments of the target are resolved by now.
RuleChoice choose_rule(const Snapshot& snapshot, const Destination& destination,
                       const wire::RequestHead& head, bool grpc, std::string_view caller_namespace);

// RFC 9110 section 7.6.2: counts Max-Forwards down, or answers when the request may go no further.
std::optional<LocalReply> spend_max_forwards(wire::RequestHead& head);

// "NAMESPACE/NAME/RULE"
std::string name_of(const model::RouteRule& rule);

// The answer of a rule that redirects.
LocalReply redirect_by(const model::RouteRule& rule, const Destination& destination,
                       const wire::RequestHead& head);
// The answer when no backend of the rule can be used.
LocalReply no_backend(const model::RouteRule& rule);
// Is a port of a service declared to speak HTTP/2 alone (h2c, grpc)? Then it does, whatever the caller speaks.
bool takes_http2_only(const Snapshot& snapshot, const model::ServiceName& service, uint16_t port);

// What the rule changes in the request: fields, host, path.
void apply_rule(const model::RouteRule& rule, wire::RequestHead& head);
// What the backend whose turn it is changes besides; its rewrites count in place of the rule's, so they begin
// at the target that came.
void apply_backend(const model::RouteRule& rule, const model::Backend& backend,
                   const std::string& original_target, wire::RequestHead& head);
// Both.
void apply_rule(const model::RouteRule& rule, const model::Backend& backend,
                wire::RequestHead& head);

}  // namespace weft::proxy
