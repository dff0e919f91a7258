// `weft server`: the process around control::Server.
#pragma once

#include <string>
#include <vector>

#include "base/ip.h"
#include "base/result.h"

namespace weft::app {

// What `weft server` says on stdout once it serves.
struct ServerGreeting {
  std::string trust_domain;
  bool made_now = false;
  std::string state_dir, socket, log_file;
  SocketAddress listen, status;
  std::string join_line;  // "" with why_no_join_line set
  std::string why_no_join_line;
};
std::string to_text(const ServerGreeting& greeting);

}  // namespace weft::app
