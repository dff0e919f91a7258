// Each direction is a small task of its own; the serving coroutine sleeps on one event that any of them,
// the deadline or the downstream's departure sets. Ending a try is destroying its tasks and its stream.
#include "proxy/forwarder.h"

#include "proxy/field_rules.h"

namespace weft::proxy {
namespace {

bool has_no_body(const wire::ResponseHead& head, const std::string& method) {
  return head.length.kind == wire::BodyLength::kNone || method == "HEAD" || head.status == 204 ||
         head.status == 304;
}

}  // namespace

Forwarder::Forwarder(io::Loop& loop, http::ServerStream& down, Mapping mapping, bool tunnel)
    : loop_(loop),
      down_(down),
      mapping_(mapping),
      tunnel_(tunnel),
      has_body_(!tunnel && !down.request_ended()),
      wake_(loop),
      timer_(loop, [this] {
        timed_out_ = true;
        wake_.set();
      }) {
  watch_.spawn(watch_downstream());
}

io::Task<void> Forwarder::watch_downstream() {
  co_await down_.wait_gone();
  gone_ = true;
  wake_.set();
}

template <typename Done>
io::Task<bool> Forwarder::wait_until(Done done, std::optional<Instant> deadline) {
  timed_out_ = false;
  if (deadline) timer_.arm_at(*deadline);
  while (!done() && !gone_ && !timed_out_) {
    wake_.reset();
    co_await wake_.wait();
  }
  timer_.cancel();
  co_return done();
}

io::Task<bool> Forwarder::pause(Instant until) {
  co_await wait_until([] { return false; }, until);
  co_return !gone_;
}

Error Forwarder::interrupted() const {
  if (gone_) return Error(ErrorKind::kCancelled, "the caller went away", ErrorSource::kDownstream);
  return Error(ErrorKind::kTimeout, "no answer in time", ErrorSource::kUpstream);
}

io::Task<Result<wire::ResponseHead>> Forwarder::attempt(http::ClientStreamPtr up,
                                                        std::optional<Instant> deadline) {
  drop();
  up_ = std::move(up);
  if (has_body_) tries_.spawn(send_request());
  tries_.spawn(receive_head());
  if (!co_await wait_until([this] { return head_.has_value(); }, deadline)) {
    drop();
    co_return std::unexpected(interrupted());
  }
  co_return std::move(*head_);
}

void Forwarder::drop() {
  tries_.cancel_all();
  up_.reset();
  head_.reset();
  body_.reset();
  request_sent_ = false;
}

io::Task<void> Forwarder::send_request() {
  if (!replay_.empty()) {
    if (!co_await up_->send_body(replay_.clone())) co_return;
  }
  while (!body_ended_) {
    auto piece = co_await down_.read_body();
    if (!piece) {
      gone_ = true;
      wake_.set();
      co_return;
    }
    request_bytes_ += piece->data.size();
    body_ended_ = piece->end;
    if (piece->end) request_trailers_ = std::move(piece->trailers);
    if (tunnel_ || replay_.size() + piece->data.size() > kReplay) {
      replay_lost_ = true;
      replay_ = Buffer();
    } else {
      replay_.append(piece->data.view());
    }
    if (piece->end && !replay_lost_ && whole_body_) whole_body_(replay_, request_trailers_);
    // A failed upstream shows in receive_head(), which knows more about why.
    if (!piece->data.empty() && !co_await up_->send_body(std::move(piece->data))) co_return;
  }
  wire::Fields trailers = request_trailers_;
  if (mapping_.request_trailers && !trailers.empty()) mapping_.request_trailers(trailers);
  up_->finish(std::move(trailers));
  request_sent_ = true;
  wake_.set();
}

io::Task<void> Forwarder::receive_head() {
  while (true) {
    auto head = co_await up_->read_head();
    if (head && head->interim()) {
      if (mapping_.response) mapping_.response(*head, false);
      down_.send_interim(*head);
      continue;
    }
    head_.emplace(std::move(head));
    wake_.set();
    co_return;
  }
}

io::Task<Result<void>> Forwarder::answer(wire::ResponseHead head, std::optional<Instant> deadline) {
  bool tunnel = head.length.kind == wire::BodyLength::kTunnel;
  bool end = !tunnel && has_no_body(head, down_.request().method);
  down_.send_response(head, end);
  if (end) co_return Result<void>{};

  if (tunnel) tries_.spawn(send_request());
  tries_.spawn(receive_body());
  auto done = [this, tunnel] { return body_ && (!*body_ || !tunnel || request_sent_); };
  bool finished = co_await wait_until(done, tunnel ? std::nullopt : deadline);
  Result<void> result;
  if (!finished) {
    result = std::unexpected(interrupted());
  } else if (!*body_) {
    result = std::unexpected(std::move(body_->error()));
  }
  tries_.cancel_all();
  // A cut answer must not look whole.
  if (!result && !gone_) down_.reset();
  co_return result;
}

io::Task<void> Forwarder::receive_body() {
  while (true) {
    auto piece = co_await up_->read_body();
    if (!piece) {
      body_.emplace(std::unexpected(std::move(piece.error())));
      break;
    }
    response_bytes_ += piece->data.size();
    if (!piece->data.empty()) {
      auto sent = co_await down_.send_body(std::move(piece->data));
      if (!sent) {
        gone_ = true;
        break;
      }
    }
    if (piece->end) {
      response_trailers_ = piece->trailers;
      if (mapping_.response_trailers && !piece->trailers.empty()) {
        mapping_.response_trailers(piece->trailers);
      }
      down_.finish(std::move(piece->trailers));
      body_.emplace();
      break;
    }
  }
  wake_.set();
}

}  // namespace weft::proxy
