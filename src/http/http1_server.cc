// One request at a time: the next head is parsed when the handler has let go of its stream, so that
// pipelined answers are in order by construction and a pipelining client is held back by the socket.
// A client that half-closes after its request still gets its answer.
//
// The timer is armed lazily: it stays where it is while requests come and go, and looks at the clock
// when it fires; a busy connection touches the timer heap once per body timeout.
#include "http/http1_server.h"

#include <algorithm>
#include <string>
#include <utility>

#include "http/respond.h"

namespace weft::http {

namespace {

// How long a drained connection without a request is kept for one that may be under way.
constexpr Duration kDrainGrace = Duration::seconds(1);

wire::Http1Limits parser_limits(const ServerLimits& limits) {
  wire::Http1Limits out;
  out.start_line_bytes = limits.request_line_bytes;
  out.header_bytes = limits.header_bytes;
  out.header_lines = limits.header_lines;
  return out;
}

}  // namespace

Http1Server::Http1Server(io::Loop& loop, io::StreamPtr stream, Buffer received, ConnectionInfo info,
                         const ServerLimits& limits, Handler handler, std::function<void()> closed)
    : Http1Link(loop, std::move(stream), wire::Http1Parser::Role::kRequests, parser_limits(limits),
                std::move(info)),
      limits_(limits),
      handler_(std::move(handler)),
      closed_(std::move(closed)),
      timer_(loop, [this] { on_timer(); }) {
  in_ = std::move(received);
  stream_->set_handler(this);
  wait_for_request();
  loop_.ready(advance_);
}

Http1Server::~Http1Server() {
  scope_.cancel_all();
  if (stream_) stream_->set_handler(nullptr);
}

void Http1Server::wait_for_request() {
  head_begun_ = false;
  waiting_since_ = loop_.now();
  if (!timer_.armed()) timer_.arm(std::min(limits_.idle_timeout, limits_.body_timeout));
}

void Http1Server::input_arrived() {
  if (!stream_) return;
  if (exchange_) {
    exchange_->on_input();
  } else {
    advance();
  }
}

// Parses the next request and starts its handler. The handler may destroy this connection, so starting
// it is the last thing done here.
void Http1Server::advance() {
  if (exchange_ || !stream_) return;
  if (lost_) return close();
  if (closing_) return close();
  wire::Http1Step step;
  for (;;) {
    step = parser_.next(in_.view());
    in_.consume(step.skip);
    if (step.event != wire::Http1Event::kNeedMore || !paused_) break;
    fill();
  }
  switch (step.event) {
    case wire::Http1Event::kHead: return begin_exchange();
    case wire::Http1Event::kNeedMore: break;
    default: return answer_error(parser_.error_status(), parser_.error().message());
  }
  if (eof_ || lost_) return close();
  in_.release_if_empty();
  if (!head_begun_ && !parser_.between_messages()) {
    head_begun_ = true;
    waiting_since_ = loop_.now();
    timer_.arm(limits_.header_timeout);
  }
}

void Http1Server::begin_exchange() {
  head_begun_ = false;
  wire::RequestHead head = std::move(parser_.request());
  const bool ended = parser_.finishing();
  if (ended) parser_.next({});
  if (head.version == wire::Version::kHttp10 || head.fields.has_token("connection", "close")) {
    closing_ = true;
  }
  auto stream = std::make_unique<Http1ServerStream>(*this, std::move(head), ended);
  attach(*stream);
  scope_.spawn(handler_(std::move(stream)));
}

void Http1Server::exchange_over(Http1Exchange& exchange) {
  detach();
  if (!stream_) return loop_.ready(tell_closed_);
  const bool complete = exchange.output_ended() && exchange.framing() != wire::Http1Framing::kRaw;
  if (!complete) {
    if (!exchange.output_ended() || lost_)
      return cut(exchange.framing() == wire::Http1Framing::kRaw);
    closing_ = true;
  } else if (!exchange.input_ended()) {
    // Content nobody read: what is here already is dropped, more is not waited for.
    for (;;) {
      auto piece = pull();
      if (!piece || !*piece) {
        closing_ = true;
        break;
      }
      if ((*piece)->end) break;
    }
  }
  wait_for_request();
  if (draining_) timer_.arm(kDrainGrace);
  loop_.ready(advance_);
}

void Http1Server::cut(bool abrupt) {
  if (!stream_) return;
  if (abrupt) stream_->reset();
  close();
}

void Http1Server::answer_error(int status, std::string_view why) {
  const Buffer answer = plain_answer(status, why);
  stream_->write(answer.view());
  close();
}

void Http1Server::close() {
  if (!stream_) return;
  stream_->set_handler(nullptr);
  if (!lost_) lost_ = Error(ErrorKind::kClosed, "the connection is closed");
  timer_.cancel();
  io::close_gracefully(loop_, std::move(stream_));
  if (exchange_) {
    exchange_->on_lost();  // its handler ends first
  } else {
    loop_.ready(tell_closed_);
  }
}

void Http1Server::drain() {
  if (std::exchange(draining_, true) || exchange_ || !stream_) return;
  timer_.arm(kDrainGrace);
}

void Http1Server::on_timer() {
  if (!stream_) return;
  if (exchange_) return look_at_exchange();
  const Duration allowed = head_begun_ ? limits_.header_timeout
                           : draining_ ? kDrainGrace
                                       : limits_.idle_timeout;
  const Instant deadline = waiting_since_ + allowed;
  if (loop_.now() < deadline) {
    timer_.arm_at(std::min(deadline, loop_.now() + limits_.body_timeout));
  } else if (head_begun_) {
    answer_error(408, "the request head did not arrive in time");
  } else {
    close();
  }
}

// Is the exchange still going anywhere? A tunnel is its parties' own affair.
void Http1Server::look_at_exchange() {
  const Instant now = loop_.now();
  Instant deadline = touched_ + limits_.stream_timeout;
  if (const auto since = exchange_->waiting_since()) {
    deadline = std::min(deadline, *since + limits_.body_timeout);
  }
  if (exchange_->tunnel() || now < deadline) {
    timer_.arm_at(exchange_->tunnel() ? now + limits_.idle_timeout
                                      : std::min(deadline, now + limits_.body_timeout));
  } else if (exchange_->output_begun()) {
    cut(exchange_->framing() == wire::Http1Framing::kRaw);
  } else {
    answer_error(408, "nothing has come for too long");
  }
}

Http1ServerStream::Http1ServerStream(Http1Server& server, wire::RequestHead&& head, bool ended)
    : Http1Exchange(server),
      request_(std::move(head)),
      head_request_(request_.method == "HEAD"),
      connect_(request_.method == "CONNECT"),
      version_(request_.version),
      info_(server.shared_info()),
      gone_(server.loop()) {
  in_end_ = ended;
}

Http1ServerStream::~Http1ServerStream() {
  if (!link_ || output_begun_ || gone()) return;
  // The handler went away without a word.
  const int status = server()->parser_error_status() != 0 ? server()->parser_error_status() : 500;
  server()->close_after_response();
  wire::ResponseHead head;
  head.status = status;
  head.length = {wire::BodyLength::kSized, 0};
  send_response(head, true);
}

void Http1ServerStream::send_interim(const wire::ResponseHead& head) {
  // HTTP/1.0 knows no interim responses (RFC 9110 §15.2).
  if (gone() || output_begun_ || version_ == wire::Version::kHttp10 || !head.interim()) return;
  Buffer out;
  wire::write_response_head(head, {}, true, out);
  link_->write(std::move(out));
}

void Http1ServerStream::send_response(const wire::ResponseHead& head, bool end) {
  if (gone() || output_begun_) return;
  const bool tunnel = head.status == 101 || (connect_ && head.status / 100 == 2);
  if (connect_ && !tunnel) server()->close_after_response();
  if (head.fields.has_token("connection", "close")) server()->close_after_response();
  wire::Http1ResponseContext context;
  context.request_method = head_request_ ? "HEAD" : connect_ ? "CONNECT" : "GET";
  context.request_version = version_;
  // A body that runs to the end of the connection needs it to end.
  const bool to_close = !head_request_ && head.length.kind == wire::BodyLength::kToClose;
  if (to_close || version_ == wire::Version::kHttp10 || head.version == wire::Version::kHttp10) {
    server()->close_after_response();
  }
  context.close = !tunnel && server()->closing() && head.version != wire::Version::kHttp10;
  if (context.close) server()->close_after_response();
  Buffer out;
  const wire::Http1Framing framing = wire::write_response_head(head, context, end, out);
  if (tunnel) {
    server()->close_after_response();
    start_tunnel();
  }
  begin_output(std::move(out), framing, head.length.size, end);
}

void Http1ServerStream::on_lost() {
  Http1Exchange::on_lost();
  gone_.set();
}

io::Task<void> Http1ServerStream::wait_gone() {
  if (gone()) co_return;
  co_await gone_.wait();
}

}  // namespace weft::http
