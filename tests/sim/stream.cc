// Mirrors SocketStream: edges are told once, writes of a turn leave together, destroying with bytes
// queued (or, as the kernel does, with bytes unread) is a reset.
#include "sim/stream.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace weft::sim {

SimStream::SimStream(Fabric& fabric, io::Loop& loop, std::shared_ptr<Connection> connection,
                     int side)
    : fabric_(fabric), loop_(loop), connection_(std::move(connection)), side_(side) {
  connection_->end[side_] = this;
  connection_->host[side_]->streams[connection_->number * 2 + static_cast<uint64_t>(side_)] = this;
}

SimStream::~SimStream() { leave(!out_.empty() || !in_.empty()); }

void SimStream::leave(bool with_reset) {
  if (connection_->end[side_] != this) return;
  connection_->end[side_] = nullptr;
  connection_->host[side_]->streams.erase(connection_->number * 2 + static_cast<uint64_t>(side_));
  if (error_) return;
  if (with_reset) {
    fabric_.send(connection_, side_, {Item::kReset, {}});
  } else if (!connection_->direction[side_].closed) {
    fabric_.send(connection_, side_, {Item::kFin, {}});
  }
}

void SimStream::set_handler(io::StreamHandler* handler) {
  handler_ = handler;
  if (handler_ && readable_) loop_.ready(tell_);
}

io::ReadOutcome SimStream::read(Buffer& into, size_t limit) {
  using Outcome = io::ReadOutcome;
  if (!in_.empty()) {
    const size_t size = std::min(limit, in_.size());
    into.append(in_.view().substr(0, size));
    in_.consume(size);
    fabric_.acknowledge(connection_, side_, size);
    if (in_.empty() && !eof_ && !error_) readable_ = false;
    return {Outcome::kData, size};
  }
  if (error_) return {Outcome::kError};
  if (eof_) return {Outcome::kEof};
  readable_ = false;
  return {Outcome::kWouldBlock};
}

bool SimStream::write(std::string_view bytes) {
  if (error_ || shutdown_wanted_) return true;
  out_.append(bytes);
  loop_.at_end_of_turn(flush_);
  if (out_.size() <= kHighMark) return true;
  writer_waits_ = true;
  return false;
}

void SimStream::flush() {
  Direction& way = connection_->direction[side_];
  if (!error_) {
    const size_t size = std::min(out_.size(), Fabric::kWindow - way.outstanding);
    fabric_.send_bytes(connection_, side_, out_.view().substr(0, size));
    out_.consume(size);
    way.sender_waits = !out_.empty();
    if (out_.empty() && shutdown_wanted_ && !way.closed) {
      fabric_.send(connection_, side_, {Item::kFin, {}});
    }
  }
  if (writer_waits_ && out_.size() < kLowMark) {
    writer_waits_ = false;
    if (handler_) handler_->on_writable();
  }
}

void SimStream::shutdown_write() {
  shutdown_wanted_ = true;
  loop_.at_end_of_turn(flush_);
}

void SimStream::reset() {
  if (connection_->end[side_] != this) return;
  leave(true);
  in_.clear();
  out_.clear();
  flush_.unlink();
  tell_.unlink();
  if (!error_) {
    error_ = Error(ErrorKind::kReset, "connection to " + peer().to_string() + " was reset by us");
  }
  readable_ = true;
}

void SimStream::tell() {
  readable_ = true;
  loop_.ready(tell_);
}

void SimStream::data_arrived(std::string_view bytes) {
  in_.append(bytes);
  if (!readable_) tell();
}

void SimStream::fin_arrived() {
  eof_ = true;
  tell();
}

void SimStream::fail_with(ErrorKind kind, std::string_view why) {
  if (!error_)
    error_ = Error(kind, "connection to " + peer().to_string() + ": " + std::string(why));
  out_.clear();
  if (writer_waits_) loop_.at_end_of_turn(flush_);
  tell();
}

void SimStream::kill() {
  connection_->end[side_] = nullptr;
  if (!error_) fabric_.send(connection_, side_, {Item::kReset, {}});
  if (!error_) error_ = Error(ErrorKind::kReset, "the host crashed");
  in_.clear();
  out_.clear();
  flush_.unlink();
  tell_.unlink();
}

SimListener::SimListener(Host& host, io::Loop& loop, SocketAddress at, std::string path,
                         io::AcceptFn accept)
    : host_(&host), loop_(loop), at_(at), path_(std::move(path)), accept_fn_(std::move(accept)) {
  if (path_.empty()) {
    host.listeners[at_] = this;
  } else {
    host.unix_listeners[path_] = this;
  }
}

SimListener::~SimListener() {
  if (!host_) return;
  if (path_.empty()) {
    host_->listeners.erase(at_);
  } else {
    host_->unix_listeners.erase(path_);
  }
}

void SimListener::cut() {
  host_ = nullptr;
  backlog_.clear();
}

void SimListener::offer(io::StreamPtr stream) {
  backlog_.push_back(std::move(stream));
  if (!paused_) loop_.ready(accept_);
}

void SimListener::resume() {
  paused_ = false;
  if (!backlog_.empty()) loop_.ready(accept_);
}

void SimListener::accept_next() {
  if (paused_ || backlog_.empty()) return;
  io::StreamPtr stream = std::move(backlog_.front());
  backlog_.pop_front();
  if (!backlog_.empty()) loop_.ready(accept_);
  accept_fn_(std::move(stream));  // may destroy this listener
}

}  // namespace weft::sim
