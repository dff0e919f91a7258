// Accepts in batches: one edge may stand for many connections, but a flood of connects must not keep
// the loop from the connections it has. A paused listener leaves epoll: the kernel wakes one of those who
// watch the socket, and whom it wakes must accept.
#include "io/socket_listener.h"

#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "io/socket_address.h"

namespace weft::io {

namespace {

constexpr int kBatch = 64;
constexpr Duration kRetryAfter = Duration::millis(100);

uint64_t inode_of(const std::string& path) {
  struct stat status{};
  return lstat(path.c_str(), &status) == 0 ? status.st_ino : 0;
}

}  // namespace

SocketListener::SocketListener(EpollLoop& loop, Fd fd, AcceptedFn accept, std::string unlink_path)
    : loop_(loop),
      fd_(std::move(fd)),
      accept_(std::move(accept)),
      unlink_path_(std::move(unlink_path)),
      address_(local_address(fd_.get())),
      retry_(loop, [this] { accept_all(); }) {
  watch();
  if (!unlink_path_.empty()) unlink_inode_ = inode_of(unlink_path_);
}

SocketListener::~SocketListener() {
  if (destroyed_) *destroyed_ = true;
  if (!unlink_path_.empty() && inode_of(unlink_path_) == unlink_inode_)
    unlink(unlink_path_.c_str());
}

void SocketListener::watch() {
  watch_.emplace(loop_, fd_.get(), [this](uint32_t) { accept_all(); }, FdWatch::Wake::kExclusive);
}

void SocketListener::pause() {
  paused_ = true;
  watch_.reset();
}

void SocketListener::resume() {
  if (!std::exchange(paused_, false)) return;
  watch();
}

void SocketListener::accept_all() {
  bool destroyed = false;
  destroyed_ = &destroyed;
  for (int i = 0; i < kBatch; ++i) {
    const bool more = !paused_ && accept_one();
    if (destroyed) return;
    if (!more) {
      destroyed_ = nullptr;
      return;
    }
  }
  destroyed_ = nullptr;
  // The rest after those who are connected had their turn.
  loop_.ready(again_);
}

// False when there is nothing more to accept now.
bool SocketListener::accept_one() {
  KernelAddress peer;
  Fd fd(accept4(fd_.get(), peer.get(), &peer.size, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (fd) {
    accept_({std::move(fd), from_kernel(peer)});
    return true;
  }
  switch (errno) {
    case EAGAIN: return false;
    case ECONNABORTED:
    case EINTR:
    case EPERM:
    case EPROTO: return true;  // this connection died before it was accepted; the next may be fine
    default:
      retry_.arm(kRetryAfter);  // EMFILE, ENFILE, ENOBUFS, ENOMEM
      return false;
  }
}

}  // namespace weft::io
