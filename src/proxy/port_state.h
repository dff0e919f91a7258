// Whether one port of the app may get traffic, and if not, why: what a report says of it.
#pragma once

#include <cstdint>
#include <string>

namespace weft::proxy {

struct PortState {
  uint16_t app_port = 0;
  bool ready = false;
  std::string why;
  friend bool operator==(const PortState&, const PortState&) = default;
};

}  // namespace weft::proxy
