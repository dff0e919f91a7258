// A connection that is idle must hear nothing: bytes without a request are the tail of a broken answer
// or an attempt to answer the next request in advance, and close it (RFC 9112 §9.2).
#include "http/http1_client.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace weft::http {

namespace {

constexpr size_t kMaxInterims = 64;

wire::Http1Limits parser_limits(const ClientLimits& limits) {
  wire::Http1Limits out;
  out.header_bytes = limits.header_bytes;
  out.header_lines = limits.header_lines;
  return out;
}

// Does a 101 name protocols, and only such as were asked for (RFC 9110 §7.8)?
bool grants(const wire::Fields& fields, std::string_view asked) {
  std::string_view rest = fields.get("upgrade").value_or(std::string_view());
  if (rest.empty() || fields.count("upgrade") > 1) return false;
  while (!rest.empty()) {
    const size_t comma = std::min(rest.find(','), rest.size());
    if (!wire::list_has_token(asked, trim(rest.substr(0, comma)))) return false;
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return true;
}

}  // namespace

Http1Client::Http1Client(io::Loop& loop, io::StreamPtr stream, ConnectionInfo info,
                         const ClientLimits& limits, std::function<void()> changed)
    : Http1Link(loop, std::move(stream), wire::Http1Parser::Role::kResponses, parser_limits(limits),
                std::move(info)),
      changed_(std::move(changed)) {
  stream_->set_handler(this);
}

Http1Client::~Http1Client() {
  if (stream_) stream_->set_handler(nullptr);
}

Result<ClientStreamPtr> Http1Client::open(const wire::RequestHead& head, bool end) {
  if (!can_open()) {
    return fail(ErrorKind::kUnavailable, "the connection takes no further request",
                ErrorSource::kUpstream, Retry::kYes);
  }
  parser_.expect_response_to(head.method);
  answer_begun_ = false;
  auto stream = std::make_unique<Http1ClientStream>(*this, head, end);
  attach(*stream);
  return stream;
}

void Http1Client::input_arrived() {
  if (!stream_) return;
  if (!in_.empty()) answer_begun_ = true;
  if (exchange_) {
    exchange_->on_input();
  } else if (!in_.empty() || eof_ || lost_) {
    // End, error or bytes nobody asked for. Nothing at all is a stream's guess, or TLS's own affair.
    close(false);
  }
  loop_.ready(tell_changed_);
}

// No byte of an answer came. On a reused connection the server has most likely closed it before it saw
// the request (RFC 9110 §9.2.2).
Error Http1Client::no_answer(Error error) const {
  const Retry retry = !answer_begun_ && reused() ? Retry::kIdempotent : Retry::kNo;
  return std::move(std::move(error).with_source(ErrorSource::kUpstream).with_retry(retry));
}

Result<std::optional<wire::ResponseHead>> Http1Client::pull_head() {
  for (;;) {
    wire::Http1Step step = parser_.next(in_.view());
    in_.consume(step.skip);
    if (step.event == wire::Http1Event::kHead) return std::move(parser_.response());
    if (step.event == wire::Http1Event::kError) return std::unexpected(parser_.error());
    if (paused_) {
      fill();
      continue;
    }
    if (lost_) return std::unexpected(no_answer(*lost_));
    if (!eof_) return std::nullopt;
    if (!answer_begun_) {
      return std::unexpected(no_answer(
          Error(ErrorKind::kClosed, "the server closed the connection without an answer")));
    }
    return fail(ErrorKind::kClosed,
                "the server closed the connection in the middle of a response head",
                ErrorSource::kUpstream);
  }
}

void Http1Client::exchange_over(Http1Exchange& exchange) {
  const bool whole = exchange.answered() && exchange.input_ended() && exchange.output_ended();
  detach();
  ++carried_;
  if (!stream_) return;
  // A tunnel that was cut must not look as if it had ended.
  if (!whole && exchange.tunnel()) stream_->reset();
  if (!whole || last_ || draining_ || eof_ || lost_ || !in_.empty()) close(whole);
  loop_.ready(tell_changed_);
}

void Http1Client::cut(bool abrupt) {
  if (!stream_) return;
  if (abrupt) stream_->reset();
  close(false);
}

// `flush`: what is queued still goes out (the end of a tunnel); a request that is over owes nothing.
void Http1Client::close(bool flush) {
  if (!stream_) return;
  stream_->set_handler(nullptr);
  if (!lost_) lost_ = Error(ErrorKind::kClosed, "the connection is closed", ErrorSource::kUpstream);
  if (flush && stream_->write_queued() > 0) {
    io::close_gracefully(loop_, std::move(stream_));
  } else {
    stream_.reset();
  }
  if (exchange_) exchange_->on_lost();
  loop_.ready(tell_changed_);
}

void Http1Client::drain() {
  draining_ = true;
  if (!exchange_) close(true);
}

Http1ClientStream::Http1ClientStream(Http1Client& client, const wire::RequestHead& head, bool end)
    : Http1Exchange(client),
      info_(client.shared_info()),
      upgrade_(head.fields.has_token("connection", "upgrade")
                   ? head.fields.get("upgrade").value_or(std::string_view())
                   : std::string_view()),
      connect_(head.method == "CONNECT") {
  if (head.fields.has_token("connection", "close") || head.version == wire::Version::kHttp10) {
    client.close_after_exchange();
  }
  Buffer out;
  const wire::Http1Framing framing = wire::write_request_head(head, end, out);
  begin_output(std::move(out), framing, head.length.size, end);
}

io::Task<Result<wire::ResponseHead>> Http1ClientStream::read_head() {
  if (answered_) co_return fail(ErrorKind::kInternal, "the response head has been read");
  for (;;) {
    if (!link_) co_return std::unexpected(lost_error());
    Result<std::optional<wire::ResponseHead>> pulled = client()->pull_head();
    if (!pulled) co_return std::unexpected(std::move(pulled.error()));
    if (!*pulled) {
      co_await readable_.wait();
      continue;
    }
    wire::ResponseHead head = std::move(**pulled);
    if (head.interim()) {
      if (++interims_ > kMaxInterims) {
        do_reset();
        co_return fail(ErrorKind::kLimit, "too many interim responses", ErrorSource::kUpstream);
      }
      co_return head;
    }
    if (head.status == 101 && !grants(head.fields, upgrade_)) {
      do_reset();
      co_return fail(ErrorKind::kProtocol, "the server switched protocols unasked",
                     ErrorSource::kUpstream);
    }
    answered_ = true;
    const bool tunnel = head.status == 101 || (connect_ && head.status / 100 == 2);
    if (tunnel || head.version == wire::Version::kHttp10 ||
        head.length.kind == wire::BodyLength::kToClose ||
        head.fields.has_token("connection", "close")) {
      client()->close_after_exchange();
    }
    if (tunnel) {
      out_end_ = false;
      start_tunnel();
    } else if (client()->body_ended()) {
      client()->skip_end();
      in_end_ = true;
    }
    co_return head;
  }
}

}  // namespace weft::http
