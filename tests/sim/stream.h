// SimStream and SimListener: what SimNetwork hands out. Same promises as the kernel's (io/stream.h,
// io/network.h), over a Fabric.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "io/loop.h"
#include "io/network.h"
#include "sim/fabric.h"

namespace weft::sim {

class SimStream final : public io::Stream {
 public:
  // `side` of the connection, living on `loop`.
  SimStream(Fabric& fabric, io::Loop& loop, std::shared_ptr<Connection> connection, int side);
  ~SimStream() override;

  void set_handler(io::StreamHandler* handler) override;
  io::ReadOutcome read(Buffer& into, size_t limit) override;
  bool write(std::string_view bytes) override;
  size_t write_queued() const override { return out_.size(); }
  void shutdown_write() override;
  void reset() override;
  const Error* error() const override { return error_ ? &*error_ : nullptr; }
  SocketAddress local() const override { return connection_->address[side_]; }
  SocketAddress peer() const override { return connection_->address[1 - side_]; }

  // From the fabric.
  void data_arrived(std::string_view bytes);
  void fin_arrived();
  void fail_with(ErrorKind kind, std::string_view why);
  void window_opened() { loop_.at_end_of_turn(flush_); }
  // The host died under it: the kernel resets the connection, and this end is dead.
  void kill();

 private:
  struct Flush final : io::Runnable {
    explicit Flush(SimStream& stream) : stream(stream) {}
    void run() override { stream.flush(); }
    SimStream& stream;
  };
  struct Tell final : io::Runnable {
    explicit Tell(SimStream& stream) : stream(stream) {}
    void run() override {
      if (stream.handler_) stream.handler_->on_readable();
    }
    SimStream& stream;
  };

  void flush();
  void tell();
  void leave(bool with_reset);

  Fabric& fabric_;
  io::Loop& loop_;
  std::shared_ptr<Connection> connection_;
  int side_;
  io::StreamHandler* handler_ = nullptr;
  Buffer in_;
  Buffer out_;
  std::optional<Error> error_;
  bool readable_ = false;
  bool eof_ = false;
  bool writer_waits_ = false;
  bool shutdown_wanted_ = false;
  Flush flush_{*this};
  Tell tell_{*this};
};

class SimListener final : public io::Listener {
 public:
  // Exactly one of `at` (with a port) and `path` says where.
  SimListener(Host& host, io::Loop& loop, SocketAddress at, std::string path, io::AcceptFn accept);
  ~SimListener() override;

  SocketAddress address() const override { return at_; }
  void pause() override { paused_ = true; }
  void resume() override;

  io::Loop& loop() { return loop_; }
  void offer(io::StreamPtr stream);
  // The host died under it.
  void cut();

 private:
  struct Accept final : io::Runnable {
    explicit Accept(SimListener& listener) : listener(listener) {}
    void run() override { listener.accept_next(); }
    SimListener& listener;
  };
  void accept_next();

  Host* host_;
  io::Loop& loop_;
  SocketAddress at_;
  std::string path_;
  io::AcceptFn accept_fn_;
  std::deque<io::StreamPtr> backlog_;
  bool paused_ = false;
  Accept accept_{*this};
};

}  // namespace weft::sim
