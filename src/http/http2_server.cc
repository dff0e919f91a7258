// Requests are collected while the session takes input and their handlers started after it, because a
// handler may do anything, including to end this connection. A stream that was reset keeps counting as
// long as its handler works on it: resetting buys a peer no additional work.
#include "http/http2_server.h"

#include <algorithm>
#include <string>
#include <utility>

namespace weft::http {

namespace {

// How long a peer may take to answer the PING that separates the two steps of a graceful end.
constexpr Duration kDrainStep = Duration::seconds(1);

wire::Http2Limits session_limits(const ServerLimits& limits) {
  wire::Http2Limits out;
  out.concurrent_streams = limits.concurrent_streams;
  out.stream_window = limits.stream_window;
  out.connection_window = limits.connection_window;
  out.header_bytes = limits.header_bytes;
  out.header_lines = limits.header_lines;
  out.reset_burst = limits.reset_burst;
  out.plain_literals = limits.plain_literals;
  out.extended_connect = limits.extended_connect;
  return out;
}

}  // namespace

Http2Server::Http2Server(io::Loop& loop, io::StreamPtr stream, Buffer received, ConnectionInfo info,
                         const ServerLimits& limits, Handler handler, std::function<void()> closed)
    : Http2Link(loop, std::move(stream), wire::Http2Session::Role::kServer, session_limits(limits),
                std::move(info), limits.ping_after),
      limits_(limits),
      handler_(std::move(handler)),
      closed_(std::move(closed)),
      received_(std::move(received)),
      quiet_since_(loop.now()),
      timer_(loop, [this] { on_timer(); }) {
  timer_.arm(std::min(limits_.idle_timeout, limits_.body_timeout));
  loop_.ready(begin_);
}

Http2Server::~Http2Server() {
  waiting_.clear();
  scope_.cancel_all();
}

void Http2Server::begin() {
  receive_first_bytes();
  start_waiting();
}

// What detection read comes before what the socket has, whichever is heard of first.
void Http2Server::receive_first_bytes() {
  const Buffer first = std::move(received_);
  receive(first.view());
}

void Http2Server::on_readable() {
  receive_first_bytes();
  Http2Link::on_readable();
}

void* Http2Server::on_request(wire::Http2Stream& stream, wire::RequestHead&& head, bool end) {
  // The session bounds open streams. A handler may outlive its stream a little, and the peer may take
  // the stream's place at once: as many again are no fault. More come from a peer that resets.
  if (exchanges_ >= 2 * size_t{limits_.concurrent_streams}) {
    session_.reset(stream, wire::Http2Code::kRefusedStream);
    return nullptr;
  }
  auto exchange = std::make_unique<Http2ServerStream>(*this, stream, std::move(head), end);
  void* user = static_cast<Http2Exchange*>(exchange.get());
  waiting_.push_back(std::move(exchange));
  return user;
}

void Http2Server::input_done() { start_waiting(); }

// A handler may destroy the connection: then its scope takes the tasks along, and this loop must not go
// on. One handler is started per call; others follow from the ready queue.
void Http2Server::start_waiting() {
  if (waiting_.empty()) return;
  ServerStreamPtr next = std::move(waiting_.front());
  waiting_.erase(waiting_.begin());
  if (!waiting_.empty()) loop_.ready(begin_);
  scope_.spawn(handler_(std::move(next)));
}

void Http2Server::exchange_unlinked() {
  if (exchanges_ > 0) return;
  quiet_since_ = loop_.now();
  if (lost()) loop_.ready(tell_closed_);
}

void Http2Server::ended() {
  timer_.cancel();
  if (exchanges_ == 0) loop_.ready(tell_closed_);
}

void Http2Server::drain() {
  if (std::exchange(draining_, true) || lost()) return;
  session_.begin_drain();
  schedule_flush();
  timer_.arm(kDrainStep);
}

void Http2Server::on_timer() {
  if (lost()) return;
  if (draining_) {
    session_.finish_drain();
    schedule_flush();
    return;
  }
  const Instant deadline = quiet_since_ + limits_.idle_timeout;
  const Duration period = std::min(limits_.idle_timeout, limits_.body_timeout);
  if (exchanges_ > 0) {
    expire(limits_.body_timeout, limits_.stream_timeout);
    timer_.arm(period);
  } else if (loop_.now() < deadline) {
    timer_.arm_at(std::min(deadline, loop_.now() + period));
  } else {
    session_.terminate(wire::Http2Code::kNoError);
    schedule_flush();
  }
}

Http2ServerStream::Http2ServerStream(Http2Server& server, wire::Http2Stream& stream,
                                     wire::RequestHead&& head, bool end)
    : Http2Exchange(server, &stream),
      request_(std::move(head)),
      info_(server.shared_info()),
      gone_(server.loop()) {
  in_end_ = end;
  sized_input_ = request_.length.kind == wire::BodyLength::kSized;
}

Http2ServerStream::~Http2ServerStream() {
  if (!stream_ || out_begun_) return;
  wire::ResponseHead head;  // the handler went away without a word
  head.status = 500;
  head.length = {wire::BodyLength::kSized, 0};
  send_response(head, true);
}

void Http2ServerStream::send_interim(const wire::ResponseHead& head) {
  if (!stream_ || !link_ || out_begun_ || !head.interim()) return;
  link_->session().send_interim(*stream_, head);
  link_->schedule_flush();
}

void Http2ServerStream::send_response(const wire::ResponseHead& head, bool end) {
  if (!stream_ || !link_ || out_begun_) return;
  out_begun_ = true;
  out_end_ = end;
  tunnel_ = request_.length.kind == wire::BodyLength::kTunnel && head.status / 100 == 2;
  link_->session().send_response(*stream_, head, end);
  link_->schedule_flush();
}

// What a tunnel led to was cut: RFC 8441 §5, RFC 9113 §8.5.
void Http2ServerStream::reset() {
  do_reset(!tunnel_                    ? wire::Http2Code::kInternalError
           : request_.protocol.empty() ? wire::Http2Code::kConnectError
                                       : wire::Http2Code::kCancel);
}

Error Http2ServerStream::closed_error(wire::Http2Code code) const {
  return Error(ErrorKind::kReset,
               "the client reset the stream (HTTP/2 code " +
                   std::to_string(static_cast<uint32_t>(code)) + ")",
               ErrorSource::kDownstream);
}

void Http2ServerStream::on_closed(wire::Http2Code code) {
  Http2Exchange::on_closed(code);
  if (gone()) gone_.set();
}

void Http2ServerStream::on_lost(const Error& why) {
  Http2Exchange::on_lost(why);
  gone_.set();
}

io::Task<void> Http2ServerStream::wait_gone() {
  if (gone()) co_return;
  co_await gone_.wait();
}

}  // namespace weft::http
