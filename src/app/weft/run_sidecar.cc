// The sidecar ends by itself when the keeper's end of the socket closes, however the keeper ended; that
// is why the usual signals may stay ignored until it says otherwise.
#include "app/weft/run_sidecar.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>

#include "base/text.h"
#include "capture/handoff.h"
#include "capture/packet.h"

namespace weft::app {
namespace {

constexpr const char* kProgram = "weft-proxy";

// In the child; never returns.
[[noreturn]] void become_sidecar(const char* program, const char* output, int socket) {
  ::setsid();
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (int number : {SIGINT, SIGQUIT, SIGTERM, SIGHUP}) ::signal(number, SIG_IGN);
  for (int number : {SIGTSTP, SIGTTIN, SIGTTOU, SIGPIPE, SIGCHLD}) ::signal(number, SIG_DFL);

  if (socket == capture::kHandoffFd) {
    ::fcntl(socket, F_SETFD, 0);
  } else {
    ::dup2(socket, capture::kHandoffFd);
  }
  const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  const int log = ::open(output, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0640);
  ::dup2(null, 0);
  ::dup2(log, 1);
  ::dup2(log, 2);
  ::syscall(SYS_close_range, capture::kHandoffFd + 1, ~0u, 0);
  ::execl(program, kProgram, nullptr);
  ::_exit(kCannotExecute);
}

}  // namespace

Result<std::string> find_sidecar_program() {
  char self[4096];
  const ssize_t size = ::readlink("/proc/self/exe", self, sizeof self);
  std::string_view own(self, size > 0 ? static_cast<size_t>(size) : 0);
  std::string directories(own.substr(0, own.rfind('/')));
  if (const char* path = std::getenv("PATH")) directories.append(":").append(path);
  for (std::string_view directory : split(directories, ':')) {
    std::string candidate = fmt::format("{}/{}", directory, kProgram);
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return fail(
      ErrorKind::kNotFound,
      fmt::format("{} is neither beside {} nor in PATH; it is built and installed with weft",
                  kProgram, own));
}

Result<Sidecar> start_sidecar(const std::string& program, const std::string& output,
                              capture::HandoffKind kind, std::string_view bootstrap,
                              const std::vector<Fd>& fds) {
  auto pair = capture::make_packet_pair();
  if (!pair) return std::unexpected(std::move(pair.error()));
  // Room for the bootstrap before the sidecar reads: search lists can be long.
  const int room = 1 << 20;
  ::setsockopt(pair->first.get(), SOL_SOCKET, SO_SNDBUF, &room, sizeof room);

  Sidecar sidecar;
  sidecar.pid = ::fork();
  if (sidecar.pid < 0) return std::unexpected(Error::from_errno(errno, "starting the sidecar"));
  if (sidecar.pid == 0) become_sidecar(program.c_str(), output.c_str(), pair->second.get());

  std::vector<int> numbers;
  for (const Fd& fd : fds) numbers.push_back(fd.get());
  ::fcntl(pair->first.get(), F_SETFL, O_NONBLOCK);
  sidecar.socket = std::move(pair->first);
  auto sent = capture::send_handoff(sidecar.socket.get(), kind, bootstrap, numbers);
  // A sidecar that died already is seen by its status, like one that dies later.
  if (!sent && sent.error().kind() != ErrorKind::kClosed)
    return std::unexpected(std::move(sent.error()).context("handing over to the sidecar"));
  return sidecar;
}

}  // namespace weft::app
