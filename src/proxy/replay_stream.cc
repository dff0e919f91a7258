// The end of a stream that was seen while looking is seen again by the next reader: streams repeat
// their end and their errors.
#include "proxy/replay_stream.h"

#include <algorithm>
#include <utility>

namespace weft::proxy {
namespace {

class ReplayStream final : public io::Stream {
 public:
  ReplayStream(io::Loop& loop, Buffer first, io::StreamPtr inner, SocketAddress peer)
      : loop_(loop), first_(std::move(first)), inner_(std::move(inner)), peer_(peer) {}

  void set_handler(io::StreamHandler* handler) override {
    handler_ = handler;
    inner_->set_handler(handler);
    tell_.unlink();
    if (handler && !first_.empty()) loop_.ready(tell_);
  }
  io::ReadOutcome read(Buffer& into, size_t limit) override {
    if (first_.empty()) return inner_->read(into, limit);
    size_t size = std::min(limit, first_.size());
    into.append(first_.take(size));
    if (first_.empty()) first_.release_if_empty();
    return {io::ReadOutcome::kData, size};
  }
  bool write(std::string_view bytes) override { return inner_->write(bytes); }
  bool write(Buffer&& bytes) override { return inner_->write(std::move(bytes)); }
  size_t write_queued() const override { return inner_->write_queued(); }
  void shutdown_write() override { inner_->shutdown_write(); }
  void reset() override { inner_->reset(); }
  const Error* error() const override { return inner_->error(); }
  SocketAddress local() const override { return inner_->local(); }
  SocketAddress peer() const override { return peer_; }
  int descriptor() const override { return inner_->descriptor(); }

 private:
  struct Tell final : io::Runnable {
    explicit Tell(ReplayStream& stream) : stream(stream) {}
    void run() override {
      if (stream.handler_) stream.handler_->on_readable();
    }
    ReplayStream& stream;
  };

  io::Loop& loop_;
  Buffer first_;
  io::StreamPtr inner_;
  SocketAddress peer_;
  io::StreamHandler* handler_ = nullptr;
  Tell tell_{*this};
};

}  // namespace

io::StreamPtr replay(io::Loop& loop, Buffer first, io::StreamPtr inner) {
  if (first.empty()) return inner;
  const SocketAddress peer = inner->peer();
  return replay(loop, std::move(first), std::move(inner), peer);
}

io::StreamPtr replay(io::Loop& loop, Buffer first, io::StreamPtr inner, SocketAddress peer) {
  if (first.empty() && inner->peer() == peer) return inner;
  return std::make_unique<ReplayStream>(loop, std::move(first), std::move(inner), peer);
}

Look::Look(io::Stream& stream, io::Event& arrived) : stream_(stream), arrived_(arrived) {
  stream_.set_handler(this);
}

Look::~Look() { stream_.set_handler(nullptr); }

void Look::on_readable() {
  while (!ended_ && bytes_.size() < kMost) {
    io::ReadOutcome outcome = stream_.read(bytes_, kMost - bytes_.size());
    if (outcome.kind == io::ReadOutcome::kWouldBlock) return;
    if (outcome.kind != io::ReadOutcome::kData) {
      ended_ = true;
      failed_ = outcome.kind == io::ReadOutcome::kError;
    }
    arrived_.set();
  }
}

}  // namespace weft::proxy
