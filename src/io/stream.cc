// A connection that closes in the background owns itself. It sends FIN behind what is queued and then
// reads and drops until the peer has closed too: closing a socket with unread bytes makes the kernel
// send a reset, which can take the last answer away from the peer before it has read it.
#include "io/stream.h"

#include <utility>

#include "io/loop.h"

namespace weft::io {

namespace {

constexpr Duration kPatience = Duration::seconds(5);
// How often to look whether the queue has left once the peer has ended.
constexpr Duration kSoon = Duration::millis(10);

class Closing final : public StreamHandler, public Runnable {
 public:
  Closing(Loop& loop, StreamPtr stream)
      : loop_(loop),
        stream_(std::move(stream)),
        moved_(loop.now()),
        timer_(loop, [this] { check_progress(); }) {
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
      if (outcome.kind == ReadOutcome::kEof && stream_->write_queued() > 0) {
        peer_ended_ = true;
        timer_.arm(kSoon);
        return;
      }
      delete this;
      return;
    }
  }
  void on_writable() override {}

 private:
  void check_progress() {
    const size_t left = stream_->write_queued();
    if (left < queued_) moved_ = loop_.now();
    if (left == 0 || loop_.now() - moved_ >= kPatience) {
      delete this;
      return;
    }
    queued_ = left;
    timer_.arm(peer_ended_ ? kSoon : kPatience);
  }
  void run() override {}
  void abandoned() override { delete this; }

  Loop& loop_;
  StreamPtr stream_;
  size_t queued_ = 0;
  Instant moved_;  // when the queue last became shorter
  bool peer_ended_ = false;
  Buffer dropped_;
  Timer timer_;
};

}  // namespace

void close_gracefully(Loop& loop, StreamPtr stream) {
  if (stream) new Closing(loop, std::move(stream));
}

}  // namespace weft::io
