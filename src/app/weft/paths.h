// Where Weft keeps its things when nobody says otherwise. Every verb that needs the server's socket or
// the state directory asks here, so `weft server`, `weft run` and `weft apply` always agree.
#pragma once

#include <sys/types.h>

#include <string>

namespace weft::app {

// What the rules look at. Empty string = not set.
struct Environment {
  uid_t uid = 0;
  std::string weft_socket;      // $WEFT_SOCKET
  std::string weft_state_dir;   // $WEFT_STATE_DIR
  std::string xdg_runtime_dir;  // $XDG_RUNTIME_DIR
  std::string xdg_state_home;   // $XDG_STATE_HOME
  std::string home;             // $HOME, else the password file's
};
Environment read_environment();

// $WEFT_STATE_DIR, else /var/lib/weft as root, else $XDG_STATE_HOME/weft, else ~/.local/state/weft.
std::string state_dir(const Environment& environment);
// $WEFT_SOCKET, else /run/weft/server.sock as root, else $XDG_RUNTIME_DIR/weft/server.sock, else
// STATE-DIR/server.sock.
std::string server_socket(const Environment& environment);

}  // namespace weft::app
