// The compiler: objects and registered instances in, what sidecars run on out. Everything is kept per
// service and per name: a change says which services it may affect, and only those are compiled again.
//
// Services come from Service objects and, where there is none, from claims: `weft run --service
// cart:8080` makes the Service `cart` with port 8080, served by whoever claimed it. An explicit object
// of the same name wins. Every instance carries the label app=FIRST-CLAIMED-SERVICE unless it was
// given another.
//
// Order of rules (Gateway API v1, HTTPRouteRule): exact path, longest prefix, regular expression;
// method; number of header matches; number of query matches; oldest route; NAMESPACE/NAME; order in the
// route. Consumer routes (route and Service in different namespaces) come first, and apply only to
// callers of the route's namespace; what they do not match goes on to the other rules.
//
// Pure and single-threaded: no clock, store or network. compile() is a function of the state alone, so
// equal states give equal results, whatever order they were reached in.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/ip.h"
#include "control/object.h"
#include "control/store.h"
#include "model/gateway.h"
#include "model/service.h"

namespace weft::control {

// A registered instance as the compiler needs it.
struct Instance {
  struct Claim {
    std::string service;  // name in the instance's namespace
    uint16_t port = 0;    // 0 = only calls out
    uint16_t app_port = 0;
    model::Protocol protocol = model::Protocol::kAuto;
  };
  std::string id;
  std::string ns;
  model::SpiffeId identity;
  SocketAddress address;  // where its sidecar accepts mTLS
  IpAddress mesh4, mesh6;
  Labels labels;  // as given; app=… is added by the compiler
  std::vector<Claim> claims;
  // App port → does it accept. Ports not listed have not been probed: taken as ready only when no claim
  // of the instance uses them.
  std::map<uint16_t, bool> ready;
  bool leaving = false;  // drains: no endpoint of any service, its own address still resolves
  bool stale = false;    // silent, served because nobody else is left
};

// The Gateway that it serves if there is one of that name: its identity says so, and it offers nothing itself.
std::optional<model::GatewayName> gateway_served(const Instance& instance);

using Affected = std::set<model::ServiceName>;

// What one service compiles to.
struct CompiledService {
  model::Service service;
  model::EndpointSet endpoints;
  model::NameEntry entry;
};

// A Gateway or a ListenerSet as its status tells it, beside its conditions.
struct GatewayState {
  struct Listener {
    std::string name;
    std::vector<std::string> kinds;  // of routes that may attach
    size_t attached_routes = 0;
    std::vector<Condition> conditions;  // Accepted, ResolvedRefs, Programmed, Conflicted
  };
  std::vector<IpAddress> addresses;  // asked for, else of those who serve it
  std::vector<Listener> listeners;   // its own; none when it is not carried out
  size_t attached_sets = 0;          // ListenerSets of which something is served
};

class Compiler {
 public:
  Compiler();
  ~Compiler();
  Compiler(const Compiler&) = delete;
  Compiler& operator=(const Compiler&) = delete;

  // Of the callers that policies name as NAMESPACE/NAME; before any object is put.
  void set_trust_domain(std::string trust_domain);

  // --- changes; each returns the services whose compile() may now differ ---
  Affected put(const Object& object);
  Affected remove(const ObjectKey& key);
  Affected put_instance(Instance instance);
  Affected remove_instance(const std::string& id);
  // Ports a claimed service is known by while none of its instances is here (a restart of the last one
  // must not make its name vanish); kept in the store by the caller. Claims count instead while there
  // are any. No ports = forget.
  Affected put_implicit(const model::ServiceName& name, std::vector<ImplicitPort> ports);
  // The service's virtual addresses; compile() of a service that is not headless needs them.
  Affected set_address(const model::ServiceName& name, IpAddress vip4, IpAddress vip6);
  Affected clear_address(const model::ServiceName& name);
  // Instances whose inbound() may differ since the last call of this.
  std::set<std::string> take_changed_inbounds();

  // Gateways whose compile_gateway() may differ since the last call of this.
  std::set<model::GatewayName> take_changed_gateways();

  // --- results ---
  // Nothing when there is no such Gateway, or it is not carried out.
  std::optional<model::Gateway> compile_gateway(const model::GatewayName& name) const;
  // Of a Gateway or a ListenerSet.
  GatewayState gateway_state(const Object& object) const;
  // Nothing when there is no such service, or when it has no address yet (and is not headless).
  std::optional<CompiledService> compile(const model::ServiceName& name) const;
  // All services there are, explicit or implicit, with or without an address.
  std::set<model::ServiceName> services() const;
  bool exists(const model::ServiceName& name) const;
  // Needs an address: exists, is not headless, and set_address() was not called.
  std::vector<model::ServiceName> without_address() const;
  // Has an address and needs none any more: it is gone, or headless now.
  std::vector<model::ServiceName> with_idle_address() const;
  // Services whose claims say something else than put_implicit() did: to be stored.
  std::vector<ImplicitServiceRow> unrecorded_implicit() const;
  bool claimed(const model::ServiceName& name) const;
  std::optional<model::WorkloadAddress> workload_address(const std::string& id) const;

  // Nothing when there is no such instance, or nothing is asked of it.
  std::optional<model::Inbound> inbound(const std::string& id) const;

  const Object* object(const ObjectKey& key) const;
  std::vector<const Object*> objects() const;  // by kind, namespace, name
  const std::map<std::string, Instance>& instances() const;
  // The services an instance is an endpoint of.
  Affected services_of(const std::string& id) const;
  Labels labels_of(const Instance& instance) const;  // with app=…

  // Accepted, ResolvedRefs and Programmed of an object, as far as compiling decides them.
  std::vector<Condition> conditions(const Object& object) const;
  // Of a route, in the order of its parentRefs.
  std::vector<ParentState> parents(const Object& route) const;
  // Of a policy, in the order of its targetRefs.
  std::vector<AncestorState> ancestors(const Object& policy) const;
  // The policies in force on an object: "BackendPolicy default/cart", "FaultPolicy default/slow (rule a)".
  std::vector<std::string> policies_on(const ObjectKey& target) const;
  // A Service: itself; a route: the parents it is attached to, each once.
  Carriers carriers(const Object& object) const;

  struct State;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace weft::control
