// A directory's path may be longer than sun_path holds: the socket is bound and found by way of an open
// descriptor of the directory.
#include "app/weft/instance_control.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>

#include "base/text.h"

namespace weft::app {
namespace {

constexpr int kBacklog = 16;

Result<Fd> open_directory(const std::string& path) {
  Fd directory(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return std::unexpected(Error::from_errno(errno, "opening " + path));
  return directory;
}

sockaddr_un address_in(int directory) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  fmt::format_to_n(address.sun_path, sizeof address.sun_path - 1, "/proc/self/fd/{}/{}", directory,
                   kControlName);
  return address;
}

}  // namespace

std::vector<std::string> control_lines(std::string_view packet) {
  std::vector<std::string> lines;
  for (std::string_view line : split(packet, '\n')) lines.emplace_back(line);
  return lines;
}

Result<ControlSocket> ControlSocket::listen(const std::string& directory) {
  auto opened = open_directory(directory);
  if (!opened) return std::unexpected(std::move(opened.error()));
  ::unlinkat(opened->get(), kControlName, 0);
  Fd listener(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const sockaddr_un address = address_in(opened->get());
  const mode_t before = ::umask(0177);
  const bool bound =
      listener &&
      ::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
      ::listen(listener.get(), kBacklog) == 0;
  const int error = errno;
  ::umask(before);
  if (!bound) return std::unexpected(Error::from_errno(error, "making the control socket"));
  return ControlSocket(std::move(listener));
}

Fd ControlSocket::accept() {
  Fd asker(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  ucred peer{};
  socklen_t size = sizeof peer;
  if (!asker || ::getsockopt(asker.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return {};
  return peer.uid == 0 || peer.uid == ::geteuid() ? std::move(asker) : Fd();
}

Result<Fd> connect_to_instance(const std::string& directory) {
  auto opened = open_directory(directory);
  if (!opened) return opened;
  Fd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  const sockaddr_un address = address_in(opened->get());
  if (socket &&
      ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
    return socket;
  switch (errno) {
    case ENOENT:
    case ECONNREFUSED: return fail(ErrorKind::kUnavailable, "it has ended");
    case EACCES:
    case EPERM: return fail(ErrorKind::kDenied, "it is another user's");
    default: return std::unexpected(Error::from_errno(errno, "connecting to its control socket"));
  }
}

}  // namespace weft::app
