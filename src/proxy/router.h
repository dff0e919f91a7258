// Routing decisions of one service: which rule a request matches and which backend of that rule takes
// it. A Service is compiled once, when it arrives (regular expressions, backend schedules); what cannot
// be compiled is refused there, so that the request path never fails for a reason of configuration.
//
// Rules count in the order given; the control plane has sorted them by Gateway API precedence. A few are
// tried one by one, many are found by an index (route_index.h).
// Compiled objects are immutable but for one relaxed counter per rule, and shared between threads.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/service.h"
#include "proxy/route_index.h"
#include "proxy/tcp_rules.h"
#include "steer/fault.h"
#include "steer/weights.h"
#include "wire/message.h"
#include "wire/request_target.h"

namespace weft::proxy {

// What a rule looks at.
struct RequestView {
  std::string_view method;
  std::string_view target;  // path and query as sent
  const wire::Fields& fields;
  std::string_view caller_namespace;
  std::string_view host = {};  // of the Host, lower case, without port
  bool grpc = false;
};

// One condition of a rule that a request does not meet.
struct RuleMiss {
  enum Kind : uint8_t { kCaller, kMethod, kGrpc, kHost, kPath, kHeader, kQuery } kind;
  size_t index = 0;  // kHeader, kQuery: which of the rule's
};

class CompiledRule {
 public:
  static Result<std::shared_ptr<const CompiledRule>> compile(model::RouteRule taken);
  CompiledRule();
  ~CompiledRule();
  CompiledRule(const CompiledRule&) = delete;
  CompiledRule& operator=(const CompiledRule&) = delete;

  bool matches(const RequestView& request) const;
  // All it does not meet; none: it matches.
  std::vector<RuleMiss> misses(const RequestView& request) const;
  // The next backend by weight, in a smooth round robin: of 90 and 10 every tenth goes to the second.
  // Null when the rule has none of positive weight. `random`: where the turns begin.
  const model::Backend* next_backend(Random& random) const;
  const model::RouteRule& rule() const { return rule_; }
  const steer::RuleFaults& faults() const { return faults_; }
  const RoutePlace& place() const { return place_; }

 private:
  struct Patterns;
  template <typename OnMiss>
  bool check(const RequestView& request, OnMiss&& on_miss) const;

  RoutePlace place_;
  model::RouteRule rule_;
  steer::RuleFaults faults_;
  std::unique_ptr<Patterns> patterns_;
  std::optional<steer::Turns> turns_;  // set by compile()
};

// Rules that come together, in a Service or as a part of one's rules. Versions of a Service share the parts
// that did not change, and with them the turns of their backends.
struct CompiledPart {
  CompiledRules rules;
  std::vector<model::ServiceName> backends;  // that they send to, ascending; invalid ones left out
  std::vector<std::string> consumers;        // whose callers they concern, ascending; "" = all

  static Result<std::shared_ptr<const CompiledPart>> compile(std::vector<model::RouteRule> rules);
};
using CompiledPartPtr = std::shared_ptr<const CompiledPart>;

struct CompiledPort {
  model::ServicePort port;  // `rules` moved from here to below
  CompiledRules rules;
  TcpRules tcp_rules;
  std::unique_ptr<const RouteIndex> index = nullptr;  // when there are many rules
  std::vector<std::string> consumers = {};            // as of its parts
  bool by_host = false;                               // some rule looks at RequestView::host

  // Does any rule for requests concern callers of this namespace? Without one, the service itself is the backend.
  bool routed_for(std::string_view caller_namespace) const;
  // The first rule that matches, or null: 404 when routed_for().
  std::shared_ptr<const CompiledRule> match(const RequestView& request) const;
};

class CompiledService {
 public:
  // Parts of the rules by id; null: not here.
  using Parts = std::function<CompiledPartPtr(uint64_t id)>;
  // kNotFound: a part is not here.
  static Result<std::shared_ptr<const CompiledService>> compile(model::Service service,
                                                                const Parts& parts = {});

  model::Service service;  // without the rules
  std::vector<CompiledPort> ports;
  steer::FaultRulePtr fault = nullptr;  // may be null

  const CompiledPort* port(uint16_t number) const;
  // Services its rules of either kind send to, itself excepted; invalid references are left out.
  const std::vector<model::ServiceName>& dependencies() const { return dependencies_; }

 private:
  std::vector<model::ServiceName> dependencies_;
};

using wire::path_of;
using wire::query_of;
using wire::query_parameter;

// "shop.example" is itself, "*.example" any name below it; both in lower case.
bool host_matches(std::string_view host, std::string_view pattern);
// The host of an authority: in lower case, without port. IPv6 brackets stay.
std::string host_of(std::string_view authority);
// "/shop" is a prefix of "/shop" and "/shop/cart", not of "/shopping" (Gateway API PathPrefix).
bool path_has_prefix(std::string_view path, std::string_view prefix);

}  // namespace weft::proxy
