// The command line of `weft server`, read into plain values.
#pragma once

#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "app/weft/paths.h"
#include "base/ip.h"
#include "base/result.h"
#include "base/time.h"

namespace weft::app {

struct ServerArguments {
  bool help = false;
  std::string state_dir;
  std::string socket;
  SocketAddress listen{{}, 7443};
  SocketAddress status{IpAddress::v4(0x7f000001), 7480};
  std::string trust_domain;
  std::optional<SocketAddress> advertise;  // port 0 = the one that is listened on
  std::set<int> allowed_uids;              // named with --allow
  Duration svid_life = Duration::hours(1);
  Duration machine_life = Duration::hours(24 * 14);
};

// kInvalid: what is wrong with the arguments, in words.
Result<ServerArguments> read_server_arguments(std::span<char* const> args,
                                              const Environment& environment);
std::string_view server_manual();

}  // namespace weft::app
