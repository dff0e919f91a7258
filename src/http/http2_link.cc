// Input is handed to the session as it comes: the windows bound what may arrive. A peer that does not read
// what we send cannot make us queue acknowledgements without end: above a bound reading stops as well. Not
// before, or two ends that both have much to send would wait for each other for ever.
#include "http/http2_link.h"

#include <algorithm>
#include <string>
#include <utility>

namespace weft::http {

namespace {

// What is produced at a time: fits a pooled block, and is still in the cache when TLS encrypts it.
constexpr size_t kOutputPiece = 64 * 1024;
// Of heads and acknowledgements that wait because the peer does not read.
constexpr size_t kMostUnsent = 256 * 1024;
// A piece of body that gains nothing by waiting for company: a full TLS record.
constexpr size_t kBulk = 16 * 1024;

}  // namespace

Http2Link::Http2Link(io::Loop& loop, io::StreamPtr stream, wire::Http2Session::Role role,
                     const wire::Http2Limits& limits, ConnectionInfo info, Duration ping_after)
    : loop_(loop),
      stream_(std::move(stream)),
      info_(std::make_shared<const ConnectionInfo>(std::move(info))),
      session_(role, limits, loop, *this),
      ping_after_(ping_after),
      heard_(loop.now()),
      ping_timer_(loop, [this] { on_ping_timer(); }) {
  stream_->set_handler(this);
  schedule_flush();
}

Http2Link::~Http2Link() {
  if (stream_) stream_->set_handler(nullptr);
  const Error why = lost_ ? *lost_ : Error(ErrorKind::kClosed, "the connection is closed");
  while (first_) {
    Http2Exchange& exchange = *first_;
    exchange.on_lost(why);
    unlink(exchange);
    exchange.link_ = nullptr;
    exchange.stream_ = nullptr;
  }
}

void Http2Link::link(Http2Exchange& exchange) {
  exchange.next_ = first_;
  if (first_) first_->prev_ = &exchange;
  first_ = &exchange;
  ++exchanges_;
  if (ping_after_.ns > 0 && !ping_timer_.armed() && stream_) {
    heard_ = loop_.now();
    ping_timer_.arm(ping_after_);
  }
}

void Http2Link::unlink(Http2Exchange& exchange) {
  (exchange.prev_ ? exchange.prev_->next_ : first_) = exchange.next_;
  if (exchange.next_) exchange.next_->prev_ = exchange.prev_;
  exchange.prev_ = exchange.next_ = nullptr;
  --exchanges_;
}

void Http2Link::expire(Duration body_timeout, Duration stream_timeout) {
  const Instant now = loop_.now();
  for (Http2Exchange* exchange = first_; exchange; exchange = exchange->next_) {
    if (exchange->overdue(now, body_timeout, stream_timeout)) exchange->end_overdue();
  }
}

void Http2Link::receive(std::string_view bytes) {
  if (!bytes.empty() && !session_.receive(bytes)) {
    flush();
    close(Error(ErrorKind::kProtocol, "the peer broke the HTTP/2 protocol"));
  }
}

void Http2Link::on_readable() {
  Buffer in;
  while (stream_) {
    if (output_waits_ && session_.unsent_frames() > kMostUnsent) {
      input_paused_ = true;
      break;
    }
    const io::ReadOutcome outcome = stream_->read(in);
    if (outcome.kind == io::ReadOutcome::kData) {
      heard();
      receive(in.view());
      in.clear();
      continue;
    }
    if (outcome.kind == io::ReadOutcome::kEof) {
      close(Error(ErrorKind::kClosed, "the peer closed the connection"));
    } else if (outcome.kind == io::ReadOutcome::kError) {
      close(*stream_->error());
    }
    break;
  }
  if (stream_) schedule_flush();
  input_done();
}

void Http2Link::on_writable() {
  output_waits_ = false;
  heard_ = loop_.now();
  schedule_flush();
  if (std::exchange(input_paused_, false)) on_readable();
}

void Http2Link::heard() {
  heard_ = loop_.now();
  if (!std::exchange(asked_, std::nullopt)) return;
  on_peer_changed();  // it may be trusted again
}

void Http2Link::on_ping_timer() {
  if (!stream_ || exchanges_ == 0) {
    asked_.reset();
    return;
  }
  const Instant now = loop_.now();
  const Instant deadline =
      asked_ ? std::max(*asked_, heard_) + kPingPatience : heard_ + ping_after_;
  if (now < deadline) return ping_timer_.arm_at(deadline);
  if (asked_) {
    stream_->reset();
    return close(Error(ErrorKind::kClosed, "the peer has given no sign of life for " +
                                               std::to_string((now - heard_).ns / 1'000'000'000) +
                                               " s, and none when asked"));
  }
  asked_ = now;
  session_.ping(0);
  schedule_flush();
  ping_timer_.arm(std::min(ping_after_, kPingPatience));
}

// Goes on until the stream says "wait", and trusts that word alone: what is queued may stand above the mark
// (TLS adds to it) without a promise to tell when there is room again.
void Http2Link::flush() {
  if (!stream_) return;
  while (!output_waits_ && session_.wants_write()) {
    Buffer out;
    out.prepare(std::clamp<size_t>(last_output_, 256, kOutputPiece));
    session_.produce(out, kOutputPiece);
    if (out.empty()) break;
    last_output_ = out.size();
    output_waits_ = !stream_->write(std::move(out));
  }
  if (session_.finished()) close(Error(ErrorKind::kClosed, "the connection has ended"));
}

void Http2Link::close(Error why) {
  if (!stream_) return;
  ping_timer_.cancel();
  stream_->set_handler(nullptr);
  io::close_gracefully(loop_, std::move(stream_));
  lost_ = std::move(why);
  for (Http2Exchange* exchange = first_; exchange; exchange = exchange->next_)
    exchange->on_lost(*lost_);
  ended();
}

void Http2Link::on_data(void* user, std::string_view data) {
  static_cast<Http2Exchange*>(user)->on_data(data);
}
void Http2Link::on_end(void* user, wire::Fields&& trailers) {
  static_cast<Http2Exchange*>(user)->on_end(std::move(trailers));
}
void Http2Link::on_drained(void* user) { static_cast<Http2Exchange*>(user)->on_drained(); }
void Http2Link::on_closed(void* user, wire::Http2Code code) {
  static_cast<Http2Exchange*>(user)->on_closed(code);
}

Http2Exchange::Http2Exchange(Http2Link& link, wire::Http2Stream* stream)
    : link_(&link),
      stream_(stream),
      readable_(link.loop()),
      writable_(link.loop()),
      touched_(link.loop().now()) {
  link.link(*this);
}

Http2Exchange::~Http2Exchange() {
  if (!link_) return;
  link_->unlink(*this);
  if (stream_ && !link_->lost()) {
    if (!out_end_) link_->session().reset(*stream_, wire::Http2Code::kCancel);
    link_->session().forget(*stream_);
    link_->schedule_flush();
  }
  link_->exchange_unlinked();
}

void Http2Exchange::on_data(std::string_view data) {
  in_.append(data);
  touched_ = link_->loop().now();
  readable_.pulse();
}

void Http2Exchange::on_end(wire::Fields&& trailers) {
  in_end_ = true;
  in_trailers_ = std::move(trailers);
  readable_.pulse();
}

void Http2Exchange::on_drained() {
  blocked_ = false;
  touched_ = link_->loop().now();
  writable_.pulse();
}

void Http2Exchange::on_closed(wire::Http2Code code) {
  stream_ = nullptr;
  if (in_end_ && out_end_) return;
  fail_with(closed_error(code));
}

void Http2Exchange::on_lost(const Error& why) {
  if (!(in_end_ && out_end_)) fail_with(why);
  stream_ = nullptr;
}

bool Http2Exchange::overdue(Instant now, Duration body_timeout, Duration stream_timeout) const {
  if (!stream_ || error_ || tunnel_) return false;
  if (now - touched_ >= stream_timeout) return true;
  return sized_input_ && waiting_since_ && now - *waiting_since_ >= body_timeout;
}

// Waiters are woken from the ready queue, so nobody is destroyed in here.
void Http2Exchange::end_overdue() {
  fail_with(Error(ErrorKind::kTimeout, "nothing has moved for too long"));
  do_reset(wire::Http2Code::kCancel);
}

void Http2Exchange::fail_with(Error error) {
  if (!error_) error_ = std::move(error);
  blocked_ = false;
  readable_.pulse();
  writable_.pulse();
}

io::Task<Result<BodyPiece>> Http2Exchange::do_read_body() {
  while (in_.empty() && !in_end_ && !error_) {
    if (link_) waiting_since_ = link_->loop().now();
    co_await readable_.wait();
    waiting_since_.reset();
  }
  BodyPiece piece;
  if (!in_.empty()) {
    if (stream_ && link_) {
      link_->session().consume(*stream_, in_.size());
      link_->schedule_flush();
    }
    piece.data = std::move(in_);
  } else if (!in_end_) {
    co_return std::unexpected(*error_);
  }
  if (in_end_) {
    piece.end = true;
    piece.trailers = std::move(in_trailers_);
  }
  co_return piece;
}

io::Task<Result<void>> Http2Exchange::do_send_body(Buffer data) {
  if (data.empty()) co_return Result<void>();
  if (error_) co_return std::unexpected(*error_);
  if (!stream_ || !link_) co_return fail(ErrorKind::kClosed, "the stream is closed");
  if (!out_begun_ || out_end_)
    co_return fail(ErrorKind::kInternal, "this message has no body, or has ended");
  touched_ = link_->loop().now();
  const bool bulk = data.size() >= kBulk;
  blocked_ = !link_->session().send_data(*stream_, std::move(data));
  bulk ? link_->flush_soon() : link_->schedule_flush();
  while (blocked_) co_await writable_.wait();
  if (error_) co_return std::unexpected(*error_);
  co_return Result<void>();
}

void Http2Exchange::do_finish(wire::Fields&& trailers) {
  if (out_end_ || !out_begun_) return;
  out_end_ = true;
  if (!stream_ || !link_) return;
  link_->session().finish(*stream_, std::move(trailers));
  link_->schedule_flush();
}

void Http2Exchange::do_reset(wire::Http2Code code) {
  if (!stream_ || !link_) return;
  link_->session().reset(*stream_, code);
  link_->schedule_flush();
}

}  // namespace weft::http
