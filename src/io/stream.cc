// A connection that closes in the background owns itself. It sends FIN behind what is queued and then
// reads and drops until the peer has closed too: closing a socket with unread bytes makes the kernel
// send a reset, which can take the last answer away from the peer before it has read it.
#include "io/stream.h"

#include <utility>

#include "io/loop.h"

namespace weft::io {

namespace {

constexpr Duration kPatience = Duration::seconds(5);

class Closing final : public StreamHandler, public Runnable {
 public:
  Closing(Loop& loop, StreamPtr stream)
      : stream_(std::move(stream)), timer_(loop, [this] { check_progress(); }) {
    loop.keep_until_end(*this);
    queued_ = stream_->write_queued();
    stream_->set_handler(this);
    stream_->shutdown_write();
    timer_.arm(kPatience);
  }

  void on_readable() override {
    for (;;) {
      const ReadOutcome outcome = stream_->read(dropped_);
      dropped_.clear();
      if (outcome.kind == ReadOutcome::kWouldBlock) return;
      if (outcome.kind == ReadOutcome::kData) continue;
      if (outcome.kind == ReadOutcome::kEof && stream_->write_queued() > 0) return;
      delete this;
      return;
    }
  }
  void on_writable() override {}

 private:
  void check_progress() {
    const size_t left = stream_->write_queued();
    if (left == 0 || left >= queued_) {
      delete this;
      return;
    }
    queued_ = left;
    timer_.arm(kPatience);
  }
  void run() override {}
  void abandoned() override { delete this; }

  StreamPtr stream_;
  size_t queued_ = 0;
  Buffer dropped_;
  Timer timer_;
};

}  // namespace

void close_gracefully(Loop& loop, StreamPtr stream) {
  if (stream) new Closing(loop, std::move(stream));
}

}  // namespace weft::io
