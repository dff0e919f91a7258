// The child reports a failed exec through a close-on-exec pipe: end of file means it runs.
#include "capture/app_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/fd.h"
#include "capture/privileges.h"

namespace weft::capture {
namespace {

// execvp(3) says EACCES when a directory of PATH cannot be searched, though the program is nowhere; a
// shell then says "not found".
bool in_path(const std::string& program) {
  if (program.find('/') != std::string::npos) return true;
  const char* path = std::getenv("PATH");
  std::string_view rest = path ? path : "/usr/bin:/bin";
  while (!rest.empty()) {
    const std::string directory(rest.substr(0, rest.find(':')));
    rest.remove_prefix(std::min(rest.size(), directory.size() + 1));
    if (::access(((directory.empty() ? "." : directory) + "/" + program).c_str(), F_OK) == 0)
      return true;
  }
  return false;
}

}  // namespace

CallerSignals CallerSignals::capture() {
  CallerSignals signals;
  sigemptyset(&signals.ignored_);
  ::sigprocmask(SIG_SETMASK, nullptr, &signals.mask_);
  for (int number = 1; number < NSIG; ++number) {
    struct sigaction action{};
    if (::sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_IGN)
      sigaddset(&signals.ignored_, number);
  }
  return signals;
}

void CallerSignals::restore() const {
  for (int number = 1; number < NSIG; ++number) {
    struct sigaction action{};
    action.sa_handler = sigismember(&ignored_, number) == 1 ? SIG_IGN : SIG_DFL;
    ::sigaction(number, &action, nullptr);
  }
  ::sigprocmask(SIG_SETMASK, &mask_, nullptr);
}

std::expected<pid_t, CannotRun> start_app(const std::vector<std::string>& command,
                                          const CallerSignals& signals, AppPrivileges privileges) {
  const auto cannot = [&](int errno_value, std::string_view what) {
    const int status = errno_value == ENOENT || errno_value == ENOTDIR ? 127 : 126;
    return std::unexpected(
        CannotRun{status, fmt::format("{}{}: {}", what, command[0], std::strerror(errno_value))});
  };
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return cannot(errno, "starting ");
  Fd from_child(ends[0]), to_parent(ends[1]);
  std::vector<char*> arguments;
  for (const std::string& argument : command)
    arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);

  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) return cannot(errno, "forking for ");
  if (child == 0) {
    int error = 0;
    if (privileges != AppPrivileges::kUnchanged)
      error = drop_capabilities_for_app(privileges == AppPrivileges::kRootInside);
    // Should this process be killed, and whoever else would end the app with it, at least the app itself
    // goes too. After the credentials: changing them clears it.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(127);
    if (error == 0) {
      signals.restore();
      ::execvp(arguments[0], arguments.data());
      error = errno;
    }
    [[maybe_unused]] const ssize_t written = ::write(to_parent.get(), &error, sizeof error);
    ::_exit(127);
  }
  to_parent.close();
  int error = 0;
  ssize_t size;
  do {
    size = ::read(from_child.get(), &error, sizeof error);
  } while (size < 0 && errno == EINTR);
  if (size != sizeof error) return child;
  ::waitpid(child, nullptr, 0);
  if (error == EACCES && !in_path(command[0])) error = ENOENT;
  return cannot(error, "");
}

}  // namespace weft::capture
