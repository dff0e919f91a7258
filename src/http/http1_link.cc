// Waiters loop over a condition and are pulsed when it may have changed; nothing latches, so a wake-up
// too many is harmless. Chunked output is written as three pieces into the stream's queue, where they
// become one send at the end of the turn.
#include "http/http1_link.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace weft::http {

namespace {
constexpr size_t kInputHigh = 64 * 1024;
}

Http1Link::Http1Link(io::Loop& loop, io::StreamPtr stream, wire::Http1Parser::Role role,
                     const wire::Http1Limits& limits, ConnectionInfo info)
    : loop_(loop),
      stream_(std::move(stream)),
      parser_(role, limits),
      info_(std::make_shared<const ConnectionInfo>(std::move(info))),
      // The parser must be able to finish or refuse whatever it waits for.
      input_high_(std::max(kInputHigh, limits.header_bytes + limits.start_line_bytes + 1024)),
      touched_(loop.now()) {}

Http1Link::~Http1Link() {
  if (exchange_) std::exchange(exchange_, nullptr)->detach_link();
}

void Http1Link::fill() {
  paused_ = false;
  while (!eof_ && !lost_) {
    if (in_.size() >= input_high_) {
      paused_ = true;
      return;
    }
    const io::ReadOutcome outcome = stream_->read(in_);
    switch (outcome.kind) {
      case io::ReadOutcome::kData: continue;
      case io::ReadOutcome::kWouldBlock: return;
      case io::ReadOutcome::kEof: eof_ = true; return;
      case io::ReadOutcome::kError: lost_ = *stream_->error(); return;
    }
  }
  // After a half close only writing can fail.
  if (!lost_ && stream_ && stream_->error()) lost_ = *stream_->error();
}

void Http1Link::on_readable() {
  touched_ = loop_.now();
  fill();
  if (lost_ && exchange_) exchange_->on_lost();
  input_arrived();
}

void Http1Link::on_writable() {
  touched_ = loop_.now();
  if (exchange_) exchange_->on_writable();
}

Result<std::optional<BodyPiece>> Http1Link::pull() {
  for (;;) {
    wire::Http1Step step = parser_.next(in_.view());
    in_.consume(step.skip);
    if (step.event == wire::Http1Event::kNeedMore) {
      if (paused_) {
        fill();
        continue;
      }
      if (lost_) return std::unexpected(*lost_);
      if (!eof_) {
        in_.release_if_empty();
        return std::nullopt;
      }
      step = parser_.end_of_stream();
    }
    BodyPiece piece;
    switch (step.event) {
      case wire::Http1Event::kBody:
        piece.data = in_.take(step.take);
        if (!parser_.finishing()) return piece;
        parser_.next(in_.view());
        break;
      case wire::Http1Event::kEnd: break;
      default: return std::unexpected(parser_.error());
    }
    piece.end = true;
    piece.trailers = std::move(parser_.trailers());
    return piece;
  }
}

Http1Exchange::Http1Exchange(Http1Link& link)
    : link_(&link), readable_(link.loop()), writable_(link.loop()) {}

Http1Exchange::~Http1Exchange() {
  if (link_) link_->exchange_over(*this);
}

void Http1Exchange::on_writable() {
  blocked_ = false;
  writable_.pulse();
}

void Http1Exchange::on_lost() {
  blocked_ = false;
  readable_.pulse();
  writable_.pulse();
}

Error Http1Exchange::lost_error() const {
  if (link_ && link_->lost()) return *link_->lost();
  return Error(ErrorKind::kClosed, "the connection is closed");
}

io::Task<Result<BodyPiece>> Http1Exchange::do_read_body() {
  for (;;) {
    if (in_end_) {
      BodyPiece end;
      end.end = true;
      co_return end;
    }
    if (!link_) co_return std::unexpected(lost_error());
    Result<std::optional<BodyPiece>> piece = link_->pull();
    if (!piece) co_return std::unexpected(std::move(piece.error()));
    if (*piece) {
      in_end_ = (*piece)->end;
      co_return std::move(**piece);
    }
    waiting_since_ = link_->loop().now();
    co_await readable_.wait();
    waiting_since_.reset();
  }
}

io::Task<Result<void>> Http1Exchange::do_send_body(Buffer data) {
  if (!link_ || link_->lost()) co_return std::unexpected(lost_error());
  if (data.empty()) co_return Result<void>();
  if (!output_begun_ || out_end_ || framing_ == wire::Http1Framing::kNone) {
    co_return fail(ErrorKind::kInternal, "this message has no body, or has ended");
  }
  bool room = true;
  if (framing_ == wire::Http1Framing::kChunked) {
    char line[20];
    char* end = std::to_chars(line, line + 16, data.size(), 16).ptr;
    *end++ = '\r';
    *end++ = '\n';
    link_->write(std::string_view(line, static_cast<size_t>(end - line)));
    link_->write(std::move(data));
    room = link_->write(std::string_view("\r\n"));
  } else {
    if (framing_ == wire::Http1Framing::kSized) {
      if (data.size() > left_) {
        do_reset();
        co_return fail(ErrorKind::kInternal, "more content than Content-Length announced");
      }
      left_ -= data.size();
    }
    room = link_->write(std::move(data));
  }
  blocked_ = !room;
  while (blocked_ && link_ && !link_->lost()) co_await writable_.wait();
  if (!link_ || link_->lost()) co_return std::unexpected(lost_error());
  co_return Result<void>();
}

void Http1Exchange::begin_output(Buffer&& head, wire::Http1Framing framing, uint64_t size,
                                 bool end) {
  output_begun_ = true;
  framing_ = framing;
  left_ = framing == wire::Http1Framing::kSized ? size : 0;
  if (link_) link_->write(std::move(head));
  if (framing == wire::Http1Framing::kNone && !tunnel_) {
    out_end_ = true;
  } else if (end) {
    do_finish({});
  }
}

void Http1Exchange::do_finish(const wire::Fields& trailers) {
  if (!link_ || link_->lost() || out_end_ || !output_begun_) return;
  if (framing_ == wire::Http1Framing::kSized && left_ > 0) return do_reset();
  out_end_ = true;
  if (framing_ == wire::Http1Framing::kChunked) {
    Buffer last;
    wire::write_last_chunk(trailers, last);
    link_->write(std::move(last));
  } else if (tunnel_) {
    link_->shutdown_write();
  }
}

void Http1Exchange::do_reset() {
  if (!link_) return;
  link_->cut(framing_ == wire::Http1Framing::kRaw || tunnel_);
}

void Http1Exchange::start_tunnel() {
  tunnel_ = true;
  framing_ = wire::Http1Framing::kRaw;
  in_end_ = false;
  if (link_) link_->become_tunnel();
  readable_.pulse();
}

}  // namespace weft::http
