// Edge-triggered: the kernel says once that something changed, the stream remembers it. Reading goes
// straight into the caller's buffer; the size asked for follows what the connection has been sending,
// between 4 KiB and what the caller takes, up to 128 KiB, so that a chatty idle connection pins little
// memory and a bulk transfer few calls.
#include "io/socket_stream.h"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "io/socket_address.h"

namespace weft::io {

namespace {

constexpr uint32_t kSmallestRead = 4 * 1024;
constexpr uint32_t kLargestRead = 128 * 1024;
// So much leaves at once instead of at the end of the turn: it fills its segments by itself, and a queue
// that stays small stays in the cache.
constexpr size_t kSendNow = 32 * 1024;
constexpr uint32_t kPeerCloses = EPOLLRDHUP | EPOLLHUP | EPOLLERR;

}  // namespace

SocketStream::SocketStream(EpollLoop& loop, Fd fd, const SocketAddress& peer, Tally tally)
    : loop_(loop),
      fd_(std::move(fd)),
      peer_(peer),
      tally_(std::move(tally)),
      read_size_(kSmallestRead) {
  watch_ = std::make_unique<FdWatch>(loop, fd_.get(), [this](uint32_t e) { on_events(e); });
}

SocketStream::SocketStream(Fd fd, std::unique_ptr<FdWatch> watch, uint32_t events,
                           const SocketAddress& peer)
    : loop_(watch->loop()),
      fd_(std::move(fd)),
      watch_(std::move(watch)),
      peer_(peer),
      read_size_(kSmallestRead) {
  watch_->set_callback([this](uint32_t e) { on_events(e); });
  on_events(events);
}

SocketStream::~SocketStream() {
  loop_.silence().remove(*this);
  if (fd_ && !out_.empty()) reset();
  watch_.reset();
}

void SocketStream::set_handler(StreamHandler* handler) {
  handler_ = handler;
  if (handler_ && readable_) loop_.ready(tell_);
}

void SocketStream::on_events(uint32_t events) {
  if (events & EPOLLOUT) {
    writable_ = true;
    if (!out_.empty()) loop_.at_end_of_turn(flush_);
  }
  if (!(events & (EPOLLIN | kPeerCloses))) return;
  const bool closing = events & kPeerCloses;
  const bool news = !readable_ || (closing && !peer_closing_);
  readable_ = true;
  peer_closing_ |= closing;
  if (news) tell_readable();
}

void SocketStream::tell_readable() {
  if (handler_) handler_->on_readable();
}

ReadOutcome SocketStream::read(Buffer& into, size_t limit) {
  if (!readable_) return {ReadOutcome::kWouldBlock};
  if (!fd_) return {ReadOutcome::kError};
  if (eof_) return {error_ ? ReadOutcome::kError : ReadOutcome::kEof};
  const size_t size = std::min<size_t>(limit, read_size_);
  const std::span<char> room = into.prepare(size).first(size);
  ssize_t got = 0;
  do {
    got = ::recv(fd_.get(), room.data(), room.size(), 0);
  } while (got < 0 && errno == EINTR);

  if (got > 0) {
    into.commit(static_cast<size_t>(got));
    if (static_cast<size_t>(got) == size) {
      read_size_ = std::min(read_size_ * 4, kLargestRead);
    } else {
      readable_ =
          peer_closing_;  // drained: more comes with a new edge, but a close is told only once
      if (static_cast<uint32_t>(got) < read_size_ / 4) {
        read_size_ = std::max(read_size_ / 2, kSmallestRead);
      }
    }
    return {ReadOutcome::kData, static_cast<size_t>(got)};
  }
  if (got == 0) {
    eof_ = true;
    return {error_ ? ReadOutcome::kError : ReadOutcome::kEof};
  }
  if (errno == EAGAIN) {
    if (error_) return {ReadOutcome::kError};
    readable_ = false;
    return {ReadOutcome::kWouldBlock};
  }
  if (!error_) failed(errno, "reading from ");
  return {ReadOutcome::kError};
}

bool SocketStream::write(std::string_view bytes) {
  if (error_ || shutdown_wanted_) return true;
  out_.append(bytes);
  return after_write();
}

bool SocketStream::write(Buffer&& bytes) {
  if (error_ || shutdown_wanted_) {
    bytes.clear();
    return true;
  }
  if (out_.empty()) {
    out_ = std::move(bytes);
  } else {
    out_.append(bytes.view());
    bytes.clear();
  }
  return after_write();
}

bool SocketStream::after_write() {
  if (out_.size() >= kSendNow && fd_ && !send_queued()) {
    readable_ = true;
    loop_.ready(tell_);
  }
  if (writable_ && !out_.empty()) loop_.at_end_of_turn(flush_);
  if (out_.size() <= kHighMark) return true;
  writer_waits_ = true;
  return false;
}

void SocketStream::shutdown_write() {
  if (shutdown_wanted_) return;
  shutdown_wanted_ = true;
  loop_.at_end_of_turn(flush_);
}

// False when the connection failed.
bool SocketStream::send_queued() {
  const size_t before = out_.size();
  while (writable_ && !out_.empty()) {
    const ssize_t sent = ::send(fd_.get(), out_.data(), out_.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      out_.consume(static_cast<size_t>(sent));
    } else if (errno == EAGAIN) {
      writable_ = false;
    } else if (errno != EINTR) {
      failed(errno, "writing to ");
      return false;
    }
  }
  // A peer without a port is on a Unix socket: it cannot vanish.
  if (out_.size() < before && peer_.port != 0) loop_.silence().add(*this);
  return true;
}

SocketStream::Progress SocketStream::progress(Duration watched) const {
  int unacknowledged = 0;
  if (error_ || ::ioctl(fd_.get(), SIOCOUTQ, &unacknowledged) != 0 || unacknowledged == 0)
    return Progress::kDone;
  if (watched < SilenceWatch::kGiveUp) return Progress::kUnderWay;
  tcp_info info{};
  socklen_t size = sizeof info;
  if (getsockopt(fd_.get(), IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return Progress::kDone;
  // A peer whose window is closed is not written to: the kernel asks, it does not repeat.
  const bool silent = info.tcpi_retransmits > 0 &&
                      Duration::millis(info.tcpi_last_ack_recv) >= SilenceWatch::kGiveUp;
  return silent ? Progress::kSilent : Progress::kUnderWay;
}

void SocketStream::peer_vanished() {
  failed(ETIMEDOUT, "no acknowledgement from ");
  readable_ = true;
  tell_readable();
}

void SocketStream::flush() {
  if (fd_ && !error_) {
    if (!send_queued()) {
      // What the peer sent before is still to be read; the error comes behind it.
      readable_ = true;
      tell_readable();
      return;
    }
    if (out_.empty()) {
      out_.release_if_empty();
      if (shutdown_wanted_ && !std::exchange(shutdown_sent_, true)) ::shutdown(fd_.get(), SHUT_WR);
    }
  }
  if (writer_waits_ && out_.size() < kLowMark) {
    writer_waits_ = false;
    if (handler_) handler_->on_writable();
  }
}

void SocketStream::failed(int error_number, std::string_view doing) {
  error_ = Error::from_errno(error_number, std::string(doing) + peer_.to_string());
  out_.clear();
  out_.release_if_empty();
  if (writer_waits_) loop_.at_end_of_turn(flush_);
}

void SocketStream::reset() {
  if (!fd_) return;
  loop_.silence().remove(*this);
  if (!local_) local_ = local_address(fd_.get());
  const linger now{.l_onoff = 1, .l_linger = 0};
  setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  watch_.reset();
  fd_.close();
  out_.clear();
  out_.release_if_empty();
  flush_.unlink();
  if (!error_)
    error_ = Error(ErrorKind::kReset, "connection to " + peer_.to_string() + " was reset by us");
  readable_ = true;  // so that read() tells
}

SocketAddress SocketStream::local() const {
  if (!local_) local_ = local_address(fd_.get());
  return *local_;
}

}  // namespace weft::io
