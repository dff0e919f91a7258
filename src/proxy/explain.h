// Explainer: what this proxy would do with a request or a connection of its app, or of a Gateway's client, from what
// it knows and uses at this moment. It asks the functions that the request path asks (route_decision.h,
// gateway_decision.h, balancer.h, …) in the order of HttpPath::serve() and TcpPath::open(), draws no lots and takes
// nobody's turn. A stage of the path that decides about requests has its lines here.
//
// Lives for one question, on the worker loop, and holds on to one snapshot.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/service.h"
#include "proxy/destination.h"
#include "proxy/endpoint_standing.h"
#include "proxy/explanation.h"
#include "proxy/route_decision.h"
#include "proxy/worker.h"
#include "steer/fault.h"

namespace weft::proxy {

struct SessionChoice;
struct FirstWords;

class Explainer {
 public:
  explicit Explainer(const Worker& worker);

  // A request made to kService, kWorkload or kGateway on a connection that carries HTTP.
  Explanation request(const Destination& to, wire::RequestHead head);
  // Opaque bytes to such a destination. `tls`: they begin with a ClientHello that asks for `server_name`.
  Explanation connection(const Destination& to, bool tls, const std::string& server_name);
  // Opaque bytes to a port that is declared to carry HTTP.
  Explanation no_http(const Destination& to);
  // Of a client from outside, at the Gateway that this proxy serves; not kService. Of a connection that begins TLS,
  // `head` is the request in it if it has a method.
  Explanation at_gateway(Question question);
  // What is in force for that Gateway whatever comes; the snapshot has it.
  Explanation gateway();
  // What is in force for a service whatever is sent to it; the snapshot has it.
  Explanation service(const model::ServiceName& name);
  // A connect out of the mesh.
  Explanation external(const Destination& to);
  // A connect that is not let through.
  Explanation refused(const std::string& what, const std::string& why);

 private:
  // Where a part of the traffic goes.
  struct Share {
    model::ServiceName service;  // unless it is one workload that is called
    uint16_t port = 0;
    double part = 1;
    bool invalid = false;
  };
  // What is in force for one backend, and where it stands.
  struct Terms {
    std::string backend;                            // "cart.default:80"
    const model::BackendPolicy* rule = nullptr;     // of the rule or its route
    const model::BackendPolicy* service = nullptr;  // of the backend
    const model::RetryPolicy* retry = nullptr;      // the route's own
    std::string retry_origin;                       // of that
    const steer::BackendState* state = nullptr;
  };

  void destination(const Destination& to);
  // Who answers and refuses: "sidecar", "gateway".
  std::string_view us() const;
  static std::vector<Share> shares(const std::vector<model::Backend>& backends);

  // explain_connection.cc; `wide`: the fault of the service called, null at a Gateway
  Explanation serve_by_tcp_rule(const CompiledTcpRule& chosen, const Destination& to,
                                const steer::FaultRulePtr& wide);

  // explain_gateway.cc
  Explanation any_bytes(const Destination& to, const LiveListener& listener);
  Explanation by_server_name(Destination to, Question question);
  void certificates(const LiveListener& listener, const std::string& server_name,
                    Explanation::Step& step) const;
  void host_of_listener(const Destination& to, const wire::RequestHead& head,
                        const RuleChoice& choice);
  void rules_leading_to(const model::ServiceName& name);
  Explanation no_hello_closes(const FirstWords& words);
  void end(std::string says, std::string flags);
  Explanation closed(std::string says, std::string flags);  // end(), then what there is

  // explain_choice.cc: which of those who could serve. A session may leave one backend; `fields` as the app
  // wrote them.
  std::vector<Share> session(const Destination& to, std::vector<Share> shares,
                             const wire::Fields& fields);
  std::optional<Share> named_by_session(const Destination& to, const SessionChoice& choice,
                                        const std::string& name, Explanation::Step& step);
  void choose(const EndpointGroup& group, uint16_t port, std::vector<EndpointStanding>& standings);
  void choose_by_key(const EndpointGroup& group, uint16_t port,
                     const std::vector<model::RequestKey>& keys,
                     std::vector<EndpointStanding>& standings, Explanation::Step& step);

  // explain_request.cc
  bool cross_origin(const model::RouteRule& rule, const wire::RequestHead& head);
  void copies(const model::RouteRule& rule);
  bool form(const Destination& to, wire::RequestHead& head);
  void serve_by_rule(const model::RouteRule& rule, const steer::FaultRulePtr& fault,
                     const Destination& to, wire::RequestHead& head);
  void answer(const LocalReply& reply);

  // explain_endpoints.cc: who could serve, what the hop is protected by, and what comes of it. `what` is a
  // "request" or a "connection".
  void serve(const Destination& to, const std::vector<Share>& shares, std::string_view what);
  std::shared_ptr<const EndpointGroup> group_of(const Destination& to, const Share& share) const;
  void endpoints(const Destination& to, const Share& share);
  // explain_fault.cc; `fields` null: of an opaque connection. False: it lets nothing through.
  bool faults(const steer::FaultRulePtr& rule, const wire::Fields* fields);
  // explain_policy.cc
  void policies(const std::string& backend, const EndpointGroup& group);
  void retries(const Terms& terms);
  template <typename Section>
  void section(const char* stage, const Terms& terms,
               std::optional<model::Said<Section>> model::BackendPolicy::* which,
               const std::string& unsaid);
  void hop(std::string_view what);
  void conclude(const std::vector<Share>& shares, std::string_view what);

  const Worker& worker_;
  const SnapshotPtr snapshot_;
  const Instant now_;
  const model::RouteRule* rule_ = nullptr;             // that decides, if one does
  const model::BackendPolicy* rule_policy_ = nullptr;  // of that rule, or of one for connections
  const wire::RequestHead* head_ = nullptr;            // as it goes out; null: a connection
  bool one_ = true;                                    // else all that may come is meant
  std::string session_instance_;                       // the one that the client's session names
  std::string unless_;                                 // what a fault may do in place of it
  Explanation out_;
};

// "HTTPRoute default/cart rule 0"
std::string origin_of(const model::RouteRule& rule);
std::string origin_of(const model::TcpRule& rule);
// What a rule asks of a request: "the method GET, a path below /items, header x-user: 1".
std::string conditions_of(const model::RouteRule& rule);
// What it misses in one: "the method GET".
std::string need_of(const RuleMiss& miss, const model::RouteRule& rule);
// What a rule does, each value with the rule as its origin; defaults without one.
std::vector<Explanation::Value> values_of(const model::RouteRule& rule);
std::vector<Explanation::Value> values_of(const model::TcpRule& rule);
// "1.5s", "250ms"; "none" for nothing
std::string readable(Duration duration);
std::string readable(model::Protocol protocol);
// "header x-user"
std::string readable(const model::RequestKey& key);

}  // namespace weft::proxy
