// Internal to xds: policies into messages.
#pragma once

#include <map>
#include <string>

#include "model/policy.h"

namespace google::protobuf {
template <typename Element>
class RepeatedPtrField;
}
namespace weft::v1 {
class BackendPolicy;
class Fault;
class SessionPersistence;
}  // namespace weft::v1

namespace weft::xds {

void fill(v1::BackendPolicy& out, const model::BackendPolicy& in);
void fill(v1::SessionPersistence& out, const model::SessionPersistence& in);

// The tables of policies that the rules of a Service, or of a part of it, refer to: what is equal is
// there once, in the order in which it was first asked for. Lives for one encoding; the tables outlive it.
class PolicyTable {
 public:
  PolicyTable(google::protobuf::RepeatedPtrField<v1::BackendPolicy>& policies,
              google::protobuf::RepeatedPtrField<v1::Fault>& faults)
      : policies_(policies), faults_(faults) {}

  // Its place from 1; 0 for none.
  uint32_t place(const model::BackendPolicyPtr& policy);
  uint32_t place(const model::FaultPtr& fault);
  bool empty() const { return by_pointer_.empty(); }

 private:
  google::protobuf::RepeatedPtrField<v1::BackendPolicy>& policies_;
  google::protobuf::RepeatedPtrField<v1::Fault>& faults_;
  std::map<const void*, uint32_t> by_pointer_;
  std::map<std::string, uint32_t> policy_places_, fault_places_;  // by their bytes
};

}  // namespace weft::xds
