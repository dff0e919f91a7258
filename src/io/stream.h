// Stream: an ordered, reliable run of bytes both ways: a TCP or Unix socket, TLS on top of one, or a
// simulated connection. Non-blocking and edge-shaped: the handler hears that there may be something to
// read once; whoever wants more calls read() until it says would-block. Not reading is backpressure.
//
// Writes are queued and go out at the end of the loop turn, as one send; a queue above the high mark
// tells the writer to wait for on_writable() (queue fell below the low mark).
// Single-threaded. The handler outlives the stream or is taken off with set_handler(nullptr). A handler
// may destroy the stream from inside any callback.
// Closing: shutdown_write() sends FIN after the queue. Destroying closes both ways: with bytes still
// queued (they are lost) or unread the peer sees a reset, otherwise an end. close_gracefully() lets the
// queue go out in the background, waits for the peer's end, then closes.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include "base/buffer.h"
#include "base/ip.h"
#include "base/result.h"

namespace weft::io {

class StreamHandler {
 public:
  virtual ~StreamHandler() = default;
  // Bytes, end of stream or an error may be waiting in read().
  virtual void on_readable() = 0;
  // The queue fell below the low mark after write() had said "wait".
  virtual void on_writable() = 0;
};

// What read() found.
struct ReadOutcome {
  enum Kind { kData, kWouldBlock, kEof, kError } kind;
  size_t size = 0;  // bytes appended, kData only
};

class Stream {
 public:
  static constexpr size_t kHighMark = 256 * 1024;
  static constexpr size_t kLowMark = 64 * 1024;

  Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  virtual ~Stream() = default;

  virtual void set_handler(StreamHandler* handler) = 0;
  // Appends what is there, at most about `limit` bytes. After kError, error() says what happened.
  virtual ReadOutcome read(Buffer& into, size_t limit = 64 * 1024) = 0;
  // Queues bytes; a failed connection swallows them and shows in read()/error(). Returns false when
  // the queue is above kHighMark: stop and wait for on_writable().
  virtual bool write(std::string_view bytes) = 0;
  virtual bool write(Buffer&& bytes) { return write(bytes.view()); }
  virtual size_t write_queued() const = 0;
  // Sends FIN (or close_notify and FIN) after what is queued; reading goes on.
  virtual void shutdown_write() = 0;
  // Cuts the connection at once so that the peer sees a reset, not an end.
  virtual void reset() = 0;
  // Why read() said kError, or why writes fail. Valid until destruction.
  virtual const Error* error() const = 0;

  virtual SocketAddress local() const = 0;
  virtual SocketAddress peer() const = 0;
  // The kernel descriptor, for peer credentials and splice; -1 where there is none.
  virtual int descriptor() const { return -1; }
};

using StreamPtr = std::unique_ptr<Stream>;

// Sends what is queued in the background, then closes; gives up after 5 s without progress.
class Loop;
void close_gracefully(Loop& loop, StreamPtr stream);

}  // namespace weft::io
