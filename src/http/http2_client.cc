// Whether a request may be sent again follows from the protocol: a stream that the server refused or
// that lies above its GOAWAY was never acted on (RFC 9113 §8.7); one that is lost with its connection
// before any answer may have been.
#include "http/http2_client.h"

#include <string>
#include <utility>

namespace weft::http {

namespace {

constexpr size_t kMaxInterims = 64;

wire::Http2Limits session_limits(const ClientLimits& limits) {
  wire::Http2Limits out;
  out.stream_window = limits.stream_window;
  out.connection_window = limits.connection_window;
  out.header_bytes = limits.header_bytes;
  out.header_lines = limits.header_lines;
  out.plain_literals = limits.plain_literals;
  return out;
}

ErrorKind kind_of(wire::Http2Code code) {
  switch (code) {
    case wire::Http2Code::kRefusedStream: return ErrorKind::kUnavailable;
    case wire::Http2Code::kProtocolError: return ErrorKind::kProtocol;
    case wire::Http2Code::kEnhanceYourCalm: return ErrorKind::kLimit;
    default: return ErrorKind::kReset;
  }
}

}  // namespace

Http2Client::Http2Client(io::Loop& loop, io::StreamPtr stream, ConnectionInfo info,
                         const ClientLimits& limits, std::function<void()> changed)
    : Http2Link(loop, std::move(stream), wire::Http2Session::Role::kClient, session_limits(limits),
                std::move(info), limits.ping_after),
      max_streams_(limits.max_streams),
      changed_(std::move(changed)),
      peer_known_(loop) {}

io::Task<bool> Http2Client::takes_extended_connect() {
  const Instant until = loop_.now() + kSettingsWait;
  while (!session_.peer_settings_seen() && !lost()) {
    const Duration left = until - loop_.now();
    if (left.ns <= 0 || !co_await peer_known_.wait_for(left)) break;
  }
  co_return session_.peer_takes_extended_connect();
}

Result<ClientStreamPtr> Http2Client::open(const wire::RequestHead& head, bool end) {
  auto refused = [] {
    return fail(ErrorKind::kUnavailable, "the connection takes no further request",
                ErrorSource::kUpstream, Retry::kYes);
  };
  if (!can_open()) return refused();
  auto exchange = std::make_unique<Http2ClientStream>(*this, end);
  wire::Http2Stream* stream = session_.open(head, end, static_cast<Http2Exchange*>(exchange.get()));
  if (!stream) return refused();
  exchange->set_stream(stream);
  schedule_flush();
  return exchange;
}

void Http2Client::on_response(void* user, wire::ResponseHead&& head, bool end) {
  static_cast<Http2ClientStream*>(static_cast<Http2Exchange*>(user))->on_head(std::move(head), end);
}

void Http2Client::drain() {
  if (std::exchange(draining_, true) || lost()) return;
  session_.begin_drain();
  schedule_flush();
}

void Http2Client::exchange_unlinked() {
  ++carried_;
  loop_.ready(tell_changed_);
}

Http2ClientStream::Http2ClientStream(Http2Client& client, bool end)
    : Http2Exchange(client, nullptr), info_(client.shared_info()), reused_(client.reused()) {
  out_begun_ = true;
  out_end_ = end;
}

Http2ClientStream::~Http2ClientStream() {
  // An answer nobody waits for any more.
  if (!in_end_) do_reset(wire::Http2Code::kCancel);
}

void Http2ClientStream::on_head(wire::ResponseHead&& head, bool end) {
  if (head.interim() && ++interims_ > kMaxInterims) {
    fail_with(Error(ErrorKind::kLimit, "too many interim responses", ErrorSource::kUpstream));
    return do_reset(wire::Http2Code::kEnhanceYourCalm);
  }
  answered_ = !head.interim();
  in_end_ = end;
  heads_.push_back(std::move(head));
  readable_.pulse();
}

io::Task<Result<wire::ResponseHead>> Http2ClientStream::read_head() {
  while (heads_.empty() && !error_) co_await readable_.wait();
  if (heads_.empty()) co_return std::unexpected(*error_);
  wire::ResponseHead head = std::move(heads_.front());
  heads_.erase(heads_.begin());
  co_return head;
}

Error Http2ClientStream::closed_error(wire::Http2Code code) const {
  if (in_end_ && code == wire::Http2Code::kNoError) {
    return Error(ErrorKind::kClosed, "the server has answered and takes no more",
                 ErrorSource::kUpstream);
  }
  const bool refused = code == wire::Http2Code::kRefusedStream && !answered_;
  return Error(kind_of(code),
               refused ? "the server refused the stream before acting on it"
                       : "the server reset the stream (HTTP/2 code " +
                             std::to_string(static_cast<uint32_t>(code)) + ")",
               ErrorSource::kUpstream, refused ? Retry::kYes : Retry::kNo);
}

void Http2ClientStream::on_lost(const Error& why) {
  const bool sent = stream_ && wire::Http2Session::sent(*stream_);
  const Retry retry = answered_          ? Retry::kNo
                      : stream_ && !sent ? Retry::kYes
                      : reused_          ? Retry::kIdempotent
                                         : Retry::kNo;
  Error error = why;
  Http2Exchange::on_lost(std::move(error).with_source(ErrorSource::kUpstream).with_retry(retry));
}

}  // namespace weft::http
