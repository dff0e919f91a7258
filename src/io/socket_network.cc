// A connect is a coroutine that watches the socket until it is writable; the watch then goes over to the
// stream, so that no connection is registered with epoll twice.
#include "io/socket_network.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "io/event.h"
#include "io/socket_address.h"
#include "io/socket_listener.h"
#include "io/socket_stream.h"

namespace weft::io {

namespace {

constexpr int kBacklog = 1024;
// A peer that vanishes without a word is given up within ten seconds: by SilenceWatch when bytes of ours
// stay without an acknowledgement, and on connections we dialled, where an answer may be waited for, also
// when nothing is under way. Who connected to us and is idle is looked after once a minute: there may be
// many. More than one probe may be lost although all is well: the kernel's timers are coarse. Over loopback
// nobody is asked: who is there cannot vanish (the kernel that ends it tells us), and of thousands of
// probes that leave in one moment the device drops those above 1000.
struct Probing {
  int idle_seconds, every_seconds, count;
};
constexpr Probing kDialled{4, 1, 4};
constexpr Probing kAccepted{60, 2, 9};
constexpr Duration kUnixBacklogRetry = Duration::millis(5);

void set_int(int fd, int level, int option, int value) {
  setsockopt(fd, level, option, &value, sizeof value);
}

// Accepted sockets inherit these from their listener.
void set_tcp_options(int fd, const Probing& probing) {
  set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, probing.idle_seconds);
  set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, probing.every_seconds);
  set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, probing.count);
}

int socket_domain(int fd) {
  int domain = AF_UNSPEC;
  socklen_t size = sizeof domain;
  getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size);
  return domain;
}

void make_non_blocking(int fd) {
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  fcntl(fd, F_SETFD, FD_CLOEXEC);
}

Error dial_error(int error_number, const std::string& where) {
  return Error::from_errno(error_number, "connecting to " + where).with_retry(Retry::kYes);
}

Task<Result<StreamPtr>> finish_connect(EpollLoop& loop, Fd fd, SocketAddress to, Duration timeout) {
  Event reported(loop);
  uint32_t events = 0;
  auto watch = std::make_unique<FdWatch>(loop, fd.get(), [&](uint32_t now) {
    events |= now;
    reported.set();
  });
  if (!co_await reported.wait_for(timeout)) {
    watch.reset();
    co_return fail(ErrorKind::kTimeout,
                   "connecting to " + to.to_string() + ": no answer within " +
                       std::to_string(timeout.to_millis()) + " ms",
                   ErrorSource::kInternal, Retry::kYes);
  }
  int error_number = 0;
  socklen_t size = sizeof error_number;
  getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error_number, &size);
  if (error_number != 0) {
    watch.reset();
    co_return std::unexpected(dial_error(error_number, to.to_string()));
  }
  co_return std::make_unique<SocketStream>(std::move(fd), std::move(watch), events, to);
}

Task<Result<StreamPtr>> start_connect(EpollLoop& loop, Fd fd, SocketAddress to, Duration timeout) {
  set_tcp_options(fd.get(), kDialled);
  if (to.ip.is_loopback()) set_int(fd.get(), SOL_SOCKET, SO_KEEPALIVE, 0);
  const KernelAddress address = to_kernel(to, socket_domain(fd.get()));
  if (::connect(fd.get(), address.get(), address.size) == 0) {
    co_return std::make_unique<SocketStream>(loop, std::move(fd), to);
  }
  if (errno != EINPROGRESS) co_return std::unexpected(dial_error(errno, to.to_string()));
  co_return co_await finish_connect(loop, std::move(fd), to, timeout);
}

Result<sockaddr_un> unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return fail(ErrorKind::kInvalid, "socket path '" + path + "' must have 1 to " +
                                         std::to_string(sizeof address.sun_path - 1) + " bytes");
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

int connect_to(int fd, const sockaddr_un& address) {
  return ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

AcceptedFn streams_for(EpollLoop& loop, AcceptFn accept) {
  return [&loop, accept = std::move(accept)](Accepted accepted) {
    accept(accepted_stream(loop, std::move(accepted)));
  };
}

// Takes a socket file out of the way that nobody listens on any more.
Result<> clear_stale_socket(const std::string& path, const sockaddr_un& address) {
  struct stat status{};
  if (lstat(path.c_str(), &status) != 0) return {};
  if (!S_ISSOCK(status.st_mode)) {
    return fail(ErrorKind::kConflict, path + " exists and is not a socket");
  }
  const Fd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!probe) return std::unexpected(Error::from_errno(errno, "making a socket"));
  // EAGAIN: the backlog is full, so somebody is there.
  if (connect_to(probe.get(), address) == 0 || errno == EAGAIN) {
    return fail(ErrorKind::kConflict, path + " is in use: another process answers there");
  }
  if (errno != ECONNREFUSED && errno != ENOENT) {
    return std::unexpected(Error::from_errno(errno, "asking who listens on " + path));
  }
  if (unlink(path.c_str()) != 0 && errno != ENOENT) {
    return std::unexpected(Error::from_errno(errno, "removing the stale socket " + path));
  }
  return {};
}

}  // namespace

Task<Result<StreamPtr>> SocketNetwork::connect(SocketAddress to, Duration timeout) {
  return connect_with(loop_, socket(family_of(to), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0),
                      to, std::nullopt, timeout);
}

Result<Fd> listening_socket(SocketAddress at, bool both_families) {
  const std::string where = "listening on " + at.to_string();
  const int family = family_of(at);
  Fd fd(socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return std::unexpected(Error::from_errno(errno, where));
  set_int(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (family == AF_INET6) set_int(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, both_families ? 0 : 1);
  const KernelAddress address = to_kernel(at, family);
  if (bind(fd.get(), address.get(), address.size) != 0 || ::listen(fd.get(), kBacklog) != 0) {
    return std::unexpected(Error::from_errno(errno, where));
  }
  return fd;
}

Result<std::unique_ptr<Listener>> SocketNetwork::listen(SocketAddress at, AcceptFn accept) {
  auto fd = listening_socket(at);
  if (!fd) return std::unexpected(std::move(fd.error()));
  return adopt_listener(loop_, fd->release(), std::move(accept));
}

Task<Result<StreamPtr>> SocketNetwork::connect_unix(std::string path, Duration timeout) {
  const auto address = unix_address(path);
  if (!address) co_return std::unexpected(address.error());
  const Instant deadline = loop_.now() + timeout;
  for (;;) {
    Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd) co_return std::unexpected(dial_error(errno, path));
    if (connect_to(fd.get(), *address) == 0) {
      co_return std::make_unique<SocketStream>(loop_, std::move(fd), SocketAddress{});
    }
    // A Unix socket whose backlog is full says EAGAIN and has no event to wait for.
    if (errno != EAGAIN) co_return std::unexpected(dial_error(errno, path));
    if (loop_.now() >= deadline) co_return std::unexpected(dial_error(ETIMEDOUT, path));
    co_await sleep_for(loop_, kUnixBacklogRetry);
  }
}

Result<std::unique_ptr<Listener>> SocketNetwork::listen_unix(std::string path, AcceptFn accept) {
  const auto address = unix_address(path);
  if (!address) return std::unexpected(address.error());
  if (auto cleared = clear_stale_socket(path, *address); !cleared) {
    return std::unexpected(std::move(cleared.error()));
  }
  Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd || bind(fd.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0 ||
      ::listen(fd.get(), kBacklog) != 0) {
    return std::unexpected(Error::from_errno(errno, "listening on " + path));
  }
  return std::make_unique<SocketListener>(loop_, std::move(fd),
                                          streams_for(loop_, std::move(accept)), std::move(path));
}

StreamPtr adopt_stream(EpollLoop& loop, int fd) {
  make_non_blocking(fd);
  if (socket_domain(fd) != AF_UNIX) set_tcp_options(fd, kAccepted);
  const SocketAddress peer = peer_address(fd);
  return std::make_unique<SocketStream>(loop, Fd(fd), peer);
}

std::unique_ptr<Listener> adopt_listener(EpollLoop& loop, int fd, AcceptFn accept) {
  return adopt_shared_listener(loop, fd, streams_for(loop, std::move(accept)));
}

StreamPtr accepted_stream(EpollLoop& loop, Accepted accepted, Tally tally) {
  return std::make_unique<SocketStream>(loop, std::move(accepted.fd), accepted.peer,
                                        std::move(tally));
}

std::unique_ptr<Listener> adopt_shared_listener(EpollLoop& loop, int fd, AcceptedFn accept) {
  make_non_blocking(fd);
  if (socket_domain(fd) != AF_UNIX) {
    set_tcp_options(fd, kAccepted);
    if (local_address(fd).ip.is_loopback()) set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 0);
  }
  return std::make_unique<SocketListener>(loop, Fd(fd), std::move(accept));
}

Task<Result<StreamPtr>> connect_with(EpollLoop& loop, int fd, SocketAddress to,
                                     std::optional<SocketAddress> bind_source, Duration timeout) {
  Fd owned(fd);
  if (!owned) co_return std::unexpected(dial_error(errno, to.to_string()));
  make_non_blocking(fd);
  if (bind_source) {
    // The port is chosen at connect(), where only the whole 4-tuple must be free.
    if (bind_source->port == 0) set_int(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    const KernelAddress source = to_kernel(*bind_source, socket_domain(fd));
    if (bind(fd, source.get(), source.size) != 0) {
      const int error_number = errno;
      co_return std::unexpected(
          dial_error(error_number, to.to_string() + " from " + bind_source->to_string()));
    }
  }
  co_return co_await start_connect(loop, std::move(owned), to, timeout);
}

Result<PeerCredentials> peer_credentials(int fd) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    return std::unexpected(Error::from_errno(errno, "asking who connected"));
  }
  return PeerCredentials{credentials.pid, credentials.uid, credentials.gid};
}

}  // namespace weft::io
