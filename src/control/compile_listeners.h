// A listener of a Gateway by itself, before any route: may Weft open it, and do its certificates resolve.
// Internal to compiling Gateways.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "control/compile_state.h"
#include "model/gateway.h"

namespace weft::control {

inline constexpr std::string_view kGatewayGroup = "gateway.networking.k8s.io";

struct JudgedListener {
  std::optional<model::GatewayListener::Protocol> protocol;  // nothing: Weft does not open it
  std::vector<std::string> kinds;                            // that may attach
  std::vector<model::GatewayCertificate> certificates;
  BackendProblem unaccepted, conflict, unresolved;
  // A connection to it is served.
  bool usable() const;
};

JudgedListener judge_listener(const Compiler::State& state, const Object& gateway,
                              const ListenerSpec& listener);

}  // namespace weft::control
