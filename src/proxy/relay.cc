// Push-driven: no coroutine runs while bytes flow; the task only waits for the end. One buffer passes
// from read to write without a copy, and writes leave at the end of the loop turn. A side is read at
// most kBurst times in a row, then the others get their turn.
#include "proxy/relay.h"

#include <utility>

#include "io/event.h"

namespace weft::proxy {
namespace {

constexpr int kBurst = 8;
// Large enough that a bulk transfer costs few calls, small enough for the cache; with the beginning of a
// TLS record before it, or with the records' heads and tags, it fits a buffer of 128 KiB.
constexpr size_t kBulk = 108 * 1024;
// How long what is queued may take to leave before a reset follows it.
constexpr Duration kFlushWait = Duration::millis(2);
constexpr int kFlushWaits = 250;
// How often a relay is looked at for idleness: bytes are not timed one by one.
constexpr Duration kLook = Duration::minutes(15);

class Relay {
 public:
  Relay(io::Loop& loop, io::StreamPtr first, io::StreamPtr second, RelayResult& totals)
      : loop_(loop),
        totals_(totals),
        done_(loop),
        first_(*this, std::move(first), totals.from_first),
        second_(*this, std::move(second), totals.from_second),
        moved_(loop.now()),
        look_(loop, [this] { look(); }) {
    look_.arm(kLook);
    first_.other = &second_;
    second_.other = &first_;
    first_.stream->set_handler(&first_);
    second_.stream->set_handler(&second_);
    // What came before anybody watched is not announced again.
    loop_.ready(first_);
    loop_.ready(second_);
  }
  ~Relay() {
    // Still there: cut. Whoever reads must not take that for the end of what was sent.
    for (Side* side : {&first_, &second_}) {
      if (!side->stream) continue;
      side->stream->set_handler(nullptr);
      side->stream->reset();
    }
  }
  io::Event& done() { return done_; }
  // Bytes that were read before a reset arrive before it, as they would without us.
  bool flushed() const {
    return first_.stream->write_queued() == 0 && second_.stream->write_queued() == 0;
  }
  bool reset() const { return totals_.reset; }

  void close() {
    for (Side* side : {&first_, &second_}) {
      side->stream->set_handler(nullptr);
      if (!totals_.reset) io::close_gracefully(loop_, std::exchange(side->stream, nullptr));
    }
    if (totals_.reset) {
      first_.stream->reset();
      second_.stream->reset();
    }
  }

 private:
  struct Side final : io::StreamHandler, io::Runnable {
    Side(Relay& relay, io::StreamPtr stream, uint64_t& count)
        : relay(relay), stream(std::move(stream)), count(count) {}
    void on_readable() override { relay.pump(*this); }
    void on_writable() override {
      full = false;
      relay.pump(*other);
    }
    void run() override { relay.pump(*this); }

    Relay& relay;
    io::StreamPtr stream;
    uint64_t& count;
    Side* other = nullptr;
    bool ended = false;  // its peer will send no more
    bool full = false;   // it takes no more for now
  };

  void pump(Side& from) {
    Side& to = *from.other;
    // A side that has ended may still be reset while it is written to.
    if (from.ended && from.stream->error() && !done_.is_set()) {
      totals_.reset = true;
      return done_.set();
    }
    for (int burst = 0; !done_.is_set() && !from.ended && !to.full; ++burst) {
      if (burst == kBurst) return loop_.ready(from);
      Buffer bytes;
      io::ReadOutcome outcome = from.stream->read(bytes, kBulk);
      switch (outcome.kind) {
        case io::ReadOutcome::kWouldBlock: return;
        case io::ReadOutcome::kData:
          from.count += bytes.size();
          to.full = !to.stream->write(std::move(bytes));
          break;
        case io::ReadOutcome::kEof:
          from.ended = true;
          to.stream->shutdown_write();
          if (to.ended) done_.set();
          return;
        case io::ReadOutcome::kError:
          totals_.reset = true;
          done_.set();
          return;
      }
    }
  }

  void look() {
    const Instant now = loop_.now();
    const uint64_t count = totals_.from_first + totals_.from_second;
    if (std::exchange(seen_, count) != count) moved_ = now;
    const bool half = first_.ended || second_.ended;
    if (now - moved_ < (half ? kRelayHalfIdle : kRelayIdle)) return look_.arm(kLook);
    totals_.reset = true;
    done_.set();
  }

  io::Loop& loop_;
  RelayResult& totals_;
  io::Event done_;
  Side first_, second_;
  uint64_t seen_ = 0;  // bytes at the last look
  Instant moved_;      // at the last look that found more
  io::Timer look_;
};

}  // namespace

io::Task<RelayResult> relay(io::Loop& loop, io::StreamPtr first, io::StreamPtr second,
                            RelayResult* totals) {
  RelayResult own;
  RelayResult& counted = totals ? *totals : own;
  Relay running(loop, std::move(first), std::move(second), counted);
  co_await running.done().wait();
  for (int wait = 0; running.reset() && wait < kFlushWaits && (wait == 0 || !running.flushed());
       ++wait) {
    co_await io::sleep_for(loop, kFlushWait);
  }
  running.close();
  co_return counted;
}

}  // namespace weft::proxy
