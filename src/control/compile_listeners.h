// The listeners of a Gateway and of its ListenerSets by themselves, before any route: may Weft open them, do their
// certificates and authorities resolve. Internal to compiling Gateways.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/compile_state.h"
#include "model/gateway.h"

namespace weft::control {

inline constexpr std::string_view kGatewayGroup = "gateway.networking.k8s.io";

struct JudgedListener {
  const Object* owner = nullptr;  // the Gateway, or one of its ListenerSets
  const ListenerSpec* spec = nullptr;
  std::optional<model::GatewayListener::Protocol> protocol;  // nothing: Weft does not open it
  std::vector<std::string> kinds;                            // that may attach
  std::vector<model::GatewayCertificate> certificates;
  std::optional<model::ClientValidation> clients;
  BackendProblem unaccepted, conflict, unresolved;
  // A connection to it is served.
  bool usable() const;
  // Routes may attach: it is accepted, and no other has its place.
  bool accepted() const { return unaccepted.reason.empty() && conflict.reason.empty(); }
};

// In the order of precedence: the Gateway's own, then those of its ListenerSets.
std::vector<JudgedListener> judge_listeners(const Compiler::State& state, const Object& gateway);

// Does a ReferenceGrant let `from` refer to that object of the core group, where it is of another namespace?
bool is_granted(const Compiler::State& state, const Object& from, const ObjectRef& to);

// What `owner` may show of a Secret; `invalid`: the reason of a reference that is of no use.
BackendProblem find_certificate(const Compiler::State& state, const Object& owner,
                                const ObjectRef& ref, const char* invalid,
                                model::GatewayCertificate& out);
// The certificate that a Gateway shows to backends outside the mesh; only where it names one.
BackendProblem client_certificate_problem(const Compiler::State& state, const Object& gateway,
                                          model::GatewayCertificate& out);

}  // namespace weft::control
