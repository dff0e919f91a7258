// Internal to xds: policies, bytes already parsed, checked field by field.
#pragma once

#include <vector>

#include "base/result.h"
#include "model/service.h"

namespace google::protobuf {
template <typename Element>
class RepeatedPtrField;
}
namespace weft::v1 {
class BackendPolicy;
class Fault;
class Inbound;
class RouteRule;
class TcpRule;
}  // namespace weft::v1

namespace weft::xds {

Result<model::BackendPolicy> decode_policy(const v1::BackendPolicy& in);
Result<model::Fault> decode_fault(const v1::Fault& in);
Result<model::Inbound> decode_inbound(const v1::Inbound& in);

// The tables that the rules beside them refer to.
class PolicyTables {
 public:
  static Result<PolicyTables> decode(
      const google::protobuf::RepeatedPtrField<v1::BackendPolicy>& policies,
      const google::protobuf::RepeatedPtrField<v1::Fault>& faults);

  Result<model::FaultPtr> fault(uint32_t place) const;  // null for 0
  // Gives a rule what its message refers to.
  Result<void> give(const v1::RouteRule& in, model::RouteRule& out) const;
  Result<void> give(const v1::TcpRule& in, model::TcpRule& out) const;

 private:
  template <typename From, typename To>
  Result<void> give_any(const From& in, To& out) const;

  std::vector<model::BackendPolicyPtr> policies_;
  std::vector<model::FaultPtr> faults_;
};

}  // namespace weft::xds
