// Looking at the first bytes of a connection without losing them: look() reads what arrives within a
// time, ReplayStream gives those bytes back to whoever reads the stream next.
#pragma once

#include "base/buffer.h"
#include "base/time.h"
#include "io/event.h"
#include "io/loop.h"
#include "io/stream.h"
#include "io/task.h"

namespace weft::proxy {

// `inner` with `first` put before what it still has to say. Otherwise transparent.
io::StreamPtr replay(io::Loop& loop, Buffer first, io::StreamPtr inner);
// The same, and peer() is `peer`.
io::StreamPtr replay(io::Loop& loop, Buffer first, io::StreamPtr inner, SocketAddress peer);

// Collects bytes from a stream as they come, for as long as it lives; takes the stream's handler.
// wait() may be called again and again; bytes() holds all that was read so far.
class Look final : public io::StreamHandler {
 public:
  static constexpr size_t kMost = 16 * 1024;

  // Both outlive the look. `arrived` is set whenever there is something new.
  Look(io::Stream& stream, io::Event& arrived);
  Look(const Look&) = delete;
  Look& operator=(const Look&) = delete;
  ~Look() override;

  const Buffer& bytes() const { return bytes_; }
  Buffer take() { return std::move(bytes_); }
  // The peer will say no more: its end of stream or an error was read.
  bool ended() const { return ended_; }
  bool failed() const { return failed_; }

 private:
  void on_readable() override;
  void on_writable() override {}

  io::Stream& stream_;
  io::Event& arrived_;
  Buffer bytes_;
  bool ended_ = false;
  bool failed_ = false;
};

}  // namespace weft::proxy
