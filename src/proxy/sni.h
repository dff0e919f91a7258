// The server name of a hop between sidecars: `p<APP-PORT>.<INSTANCE>.mesh`. It says which port of
// which instance is wanted, so that a sidecar that took over a reused address refuses the handshake.
// Pure text functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weft::proxy {

struct HopName {
  uint16_t app_port = 0;
  std::string instance;
  friend bool operator==(const HopName&, const HopName&) = default;
};

std::string hop_server_name(std::string_view instance, uint16_t app_port);
// Nothing unless the text has exactly that shape: a port of 1-65535 without leading zeros and an
// instance that is a DNS label.
std::optional<HopName> parse_hop_server_name(std::string_view server_name);

}  // namespace weft::proxy
