// Internal to xds: policies into messages.
#pragma once

#include <map>
#include <string>

#include "model/policy.h"

namespace weft::v1 {
class BackendPolicy;
class Service;
class SessionPersistence;
}  // namespace weft::v1

namespace weft::xds {

void fill(v1::BackendPolicy& out, const model::BackendPolicy& in);
void fill(v1::SessionPersistence& out, const model::SessionPersistence& in);

// The table of policies that a Service's rules refer to: what is equal is there once, in the order in
// which it was first asked for. Lives for one encoding; `service` outlives it.
class PolicyTable {
 public:
  explicit PolicyTable(v1::Service& service) : service_(service) {}

  // Its place from 1; 0 for none.
  uint32_t place(const model::BackendPolicyPtr& policy);
  uint32_t place(const model::FaultPtr& fault);
  bool empty() const { return by_pointer_.empty(); }

 private:
  v1::Service& service_;
  std::map<const void*, uint32_t> by_pointer_;
  std::map<std::string, uint32_t> policies_, faults_;  // by their bytes
};

}  // namespace weft::xds
