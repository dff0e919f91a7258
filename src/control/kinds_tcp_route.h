// What TLSRoute and TCPRoute share: one rule whose backends take whole connections by weight.
#pragma once

#include "control/kinds_refs.h"

namespace weft::control {

extern const Schema kTcpRuleSchema;

constexpr Field tcp_rules_field() {
  return {.name = "rules",
          .type = FieldType::kObjectList,
          .description = "Where connections go: one rule.",
          .required = true,
          .min = 1,
          .max = 1,
          .object = &kTcpRuleSchema};
}

// From a canonical tree; hostnames are left to TLSRoute.
TcpRouteSpec read_tcp_route_spec(const Node& spec, const ObjectMeta& meta);

}  // namespace weft::control
