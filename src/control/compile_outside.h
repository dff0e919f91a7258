// What is served outside the mesh (docs/design/outside.md): the endpoints that EndpointSlices give a Service without a
// selector, and the TLS that BackendTLSPolicies ask for towards them. Functions of the compiler's state alone.
#pragma once

#include <string>
#include <vector>

#include "control/compile_state.h"

namespace weft::control {

// Is it served outside the mesh, by nobody within?
bool only_outside(const Compiler::State& state, const model::ServiceName& service);
bool has_slices(const Compiler::State& state, const model::ServiceName& service);

// Endpoints outside, and how they are spoken to.
void add_outside(const Compiler::State& state, const std::vector<model::ServicePort>& ports,
                 model::EndpointSet& out);

std::vector<Condition> slice_conditions(const Compiler::State& state, const Object& slice);

// The policy that counts for a port of a Service, whether or not it can be carried out: one for the port beats one
// for the Service. Null: none, the endpoints are spoken to in plain.
const Object* tls_policy(const Compiler::State& state, const model::ServiceName& service,
                         const std::string& port_name);

// Why a BackendTLSPolicy cannot be carried out for this target of its (Accepted=False), whatever other policies say.
BackendProblem tls_problem(const Compiler::State& state, const Object& policy,
                           const PolicyTarget& target);
// What is wrong with its references (ResolvedRefs=False).
BackendProblem authorities_problem(const Compiler::State& state, const Object& policy);

// --- changes ---
void index_slice(Compiler::State& state, const Object& object, bool add);
// Services whose endpoints an EndpointSlice or a ConfigMap decides on.
void add_outside_services(const Compiler::State& state, const Object& object, Affected& out);

}  // namespace weft::control
