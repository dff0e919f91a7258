// SocketNetwork: io::Network over the kernel's sockets, and the ways for sockets that were made
// elsewhere (inherited, passed over a Unix socket, made in another network namespace).
// One per EpollLoop; the loop outlives it and everything it made.
//
// TCP sockets get TCP_NODELAY and keepalive: first probe after 60 s of silence, after 4 s where we dialled,
// none for what is accepted on loopback.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>

#include "base/fd.h"
#include "io/epoll_loop.h"
#include "io/network.h"
#include "io/socket_listener.h"
#include "io/tally.h"

namespace weft::io {

class SocketNetwork final : public Network {
 public:
  explicit SocketNetwork(EpollLoop& loop) : loop_(loop) {}

  Task<Result<StreamPtr>> connect(SocketAddress to, Duration timeout) override;
  // SO_REUSEADDR, backlog 1024. An IPv6 listener takes IPv6 only.
  Result<std::unique_ptr<Listener>> listen(SocketAddress at, AcceptFn accept) override;
  Task<Result<StreamPtr>> connect_unix(std::string path, Duration timeout) override;
  // Replaces a socket file left behind, but not one where somebody answers (kConflict) and nothing
  // that is no socket. The file is removed with the Listener. Who may connect follows the umask.
  Result<std::unique_ptr<Listener>> listen_unix(std::string path, AcceptFn accept) override;

 private:
  EpollLoop& loop_;
};

// A connected stream socket; becomes non-blocking and close-on-exec. Takes the descriptor.
StreamPtr adopt_stream(EpollLoop& loop, int fd);
// A listening socket; becomes non-blocking and close-on-exec. Takes the descriptor.
std::unique_ptr<Listener> adopt_listener(EpollLoop& loop, int fd, AcceptFn accept);
// The same for a socket that several loops share: what is accepted may be given to another of them.
std::unique_ptr<Listener> adopt_shared_listener(EpollLoop& loop, int fd, AcceptedFn accept);
// The stream of what was accepted; on the loop's own thread.
StreamPtr accepted_stream(EpollLoop& loop, Accepted accepted, Tally tally = {});

// A listening socket as SocketNetwork::listen() makes it, not accepting yet.
// `both_families`: of [::], IPv4 too.
Result<Fd> listening_socket(SocketAddress at, bool both_families = false);

// Connects a fresh TCP socket made by someone else, e.g. in another network namespace, optionally
// bound to `bind_source` before (port 0 = any). Takes the descriptor. Errors carry retry = kYes.
Task<Result<StreamPtr>> connect_with(EpollLoop& loop, int fd, SocketAddress to,
                                     std::optional<SocketAddress> bind_source, Duration timeout);

struct PeerCredentials {
  pid_t pid;
  uid_t uid;
  gid_t gid;
};
// Who connected a Unix socket (SO_PEERCRED): as it was at connect().
Result<PeerCredentials> peer_credentials(int fd);

}  // namespace weft::io
