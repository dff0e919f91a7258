// The API's values as JSON trees. Field names are the API: they are never renamed.
#pragma once

#include "control/api.h"
#include "control/condition_times.h"
#include "control/status_rows.h"
#include "control/yaml.h"

namespace weft::control {

Node json_object(const Object& object, const Compiler& compiler, const ServedFn& served,
                 ConditionTimes& times);
// A service that exists by claims alone, as the Service object that would say the same.
Node json_implicit_service(const model::ServiceName& name, const Compiler& compiler,
                           const ServedFn& served);
Node json_outcome(const ApplyOutcome& outcome);
Node json_status(const StatusView& view, const Compiler& compiler, uint64_t version,
                 const ServedFn& served);
Node json_workloads(const StatusView& view);
Node json_tokens(const std::vector<TokenRow>& tokens, WallTime now);
Node json_new_token(const NewToken& token);
Node json_error(std::string_view text);

// RFC 3339 in UTC, whole seconds, as Kubernetes writes it; "" for 0.
std::string json_time(WallTime time);

}  // namespace weft::control
