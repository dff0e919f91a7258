#include "model/gateway.h"

namespace weft::model {

std::optional<GatewayName> gateway_of(const SpiffeId& identity) {
  const std::string_view account = identity.workload_name();
  if (!account.starts_with(kGatewayAccount)) return std::nullopt;
  const std::string_view name = account.substr(kGatewayAccount.size());
  if (!is_dns_label(name)) return std::nullopt;
  return GatewayName{std::string(identity.workload_namespace()), std::string(name)};
}

}  // namespace weft::model
