// The rules are pure functions of Environment; only read_environment() looks at the process.
#include "app/weft/paths.h"

#include <pwd.h>
#include <unistd.h>

#include <cstdlib>

namespace weft::app {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

}  // namespace

Environment read_environment() {
  Environment e{.uid = geteuid(),
                .weft_socket = variable("WEFT_SOCKET"),
                .weft_state_dir = variable("WEFT_STATE_DIR"),
                .xdg_runtime_dir = variable("XDG_RUNTIME_DIR"),
                .xdg_state_home = variable("XDG_STATE_HOME"),
                .home = variable("HOME")};
  if (e.home.empty()) {
    if (const passwd* entry = getpwuid(e.uid)) e.home = entry->pw_dir;
  }
  return e;
}

std::string state_dir(const Environment& e) {
  if (!e.weft_state_dir.empty()) return e.weft_state_dir;
  if (e.uid == 0) return "/var/lib/weft";
  if (!e.xdg_state_home.empty()) return e.xdg_state_home + "/weft";
  return e.home + "/.local/state/weft";
}

std::string server_socket(const Environment& e) {
  if (!e.weft_socket.empty()) return e.weft_socket;
  if (e.uid == 0) return "/run/weft/server.sock";
  if (!e.xdg_runtime_dir.empty()) return e.xdg_runtime_dir + "/weft/server.sock";
  return state_dir(e) + "/server.sock";
}

}  // namespace weft::app
