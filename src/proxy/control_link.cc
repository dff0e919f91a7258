// One coroutine dials and dials again; while a connection lives, three more run in its session scope:
// the discovery stream, the reports and the renewal of the certificate. Whichever finds the connection
// dead says so once, the session is torn down as a whole, and the dialler goes on. A server that
// vanishes without a word is noticed by a report that is not answered in time.
#include "proxy/control_link.h"

#include <fmt/format.h>

#include <utility>

#include "control.pb.h"
#include "explain.pb.h"
#include "http/tls_stream.h"
#include "model/identity.h"
#include "proxy/explain_codec.h"
#include "xds/resource_type.h"
#include "xds/serialize.h"

namespace weft::proxy {

namespace {

constexpr std::string_view kAuthority = "weft-server";
constexpr Duration kDialTimeout = Duration::seconds(3);
constexpr Duration kCallTimeout = Duration::seconds(5);
constexpr Duration kFirstBackoff = Duration::millis(200);
constexpr Duration kMaxBackoff = Duration::seconds(10);
constexpr Duration kAskAgain = Duration::seconds(2);

// Full jitter over the doubled step: a thousand sidecars do not come back together.
Duration jittered(Duration step, Random& random) {
  return Duration::nanos(
      static_cast<int64_t>(static_cast<double>(step.ns) * (0.5 + random.unit())));
}

void put_edge(const telemetry::EdgeTotals& edge, v1::EdgeReport& out) {
  out.set_source(edge.key.source);
  out.set_destination(edge.key.destination);
  out.set_service(edge.key.service);
  out.set_port(edge.key.port);
  out.set_protocol(edge.key.protocol);
  out.set_inbound(edge.key.inbound);
  out.set_mtls(edge.key.mtls);
  out.set_requests(edge.requests);
  out.set_errors(edge.errors);
  out.set_retries(edge.retries);
  out.set_connections(edge.connections);
  out.set_bytes_sent(edge.bytes_sent);
  out.set_bytes_received(edge.bytes_received);
  for (const auto& [bucket, count] : edge.latency.buckets) (*out.mutable_latency())[bucket] = count;
}

}  // namespace

ControlLink::ControlLink(io::Loop& loop, io::Network& network, Random& random, Discovery& discovery,
                         Options options, std::shared_ptr<const trust::Svid> svid,
                         trust::TrustBundle bundle, Hooks hooks, Log log)
    : loop_(loop),
      network_(network),
      random_(random),
      discovery_(discovery),
      options_(std::move(options)),
      svid_(std::move(svid)),
      bundle_(std::move(bundle)),
      hooks_(std::move(hooks)),
      log_(std::move(log)),
      rotation_(random),
      sequence_(random.next()),
      output_(loop),
      wants_report_(loop),
      report_ended_(loop),
      online_(loop),
      lost_(loop),
      speaks_(loop) {
  rotation_.installed(svid_->not_before(), svid_->not_after());
  let_speak(options_.speaks);
}

ControlLink::~ControlLink() {
  session_.cancel_all();
  tasks_.cancel_all();
}

void ControlLink::start() {
  tasks_.spawn(run());
  tasks_.spawn(renewal_loop());
}

void ControlLink::let_speak(bool speaks) {
  if (speaks) {
    speaks_.set();
  } else {
    speaks_.reset();
  }
}

void ControlLink::lost(std::string_view why) {
  if (lost_.is_set()) return;
  loss_ = why;
  lost_.set();
}

io::Task<void> ControlLink::run() {
  Duration backoff = kFirstBackoff;
  for (;;) {
    auto dialled = co_await dial();
    if (!dialled) {
      if (last_error_ != dialled.error().message()) {
        last_error_ = dialled.error().message();
        log_.warn("the control plane cannot be reached; what is known goes on serving",
                  {{"why", last_error_}});
      }
      co_await io::sleep_for(loop_, jittered(backoff, random_));
      backoff = std::min(backoff * 2, kMaxBackoff);
      continue;
    }
    backoff = kFirstBackoff;
    last_error_.clear();
    lost_.reset();
    online_.set();
    discovery_.connected();
    log_.info("connected to the control plane", {{"server", connection_->info().peer.to_string()}});
    session_.spawn(stream());
    session_.spawn(report_loop());
    session_.spawn(questions());
    co_await lost_.wait();
    session_.cancel_all();
    online_.reset();
    discovery_.disconnected();
    connection_.reset();
    last_error_ = loss_;
    log_.info("the connection to the control plane ended", {{"why", loss_}});
    co_await io::sleep_for(loop_, jittered(kFirstBackoff, random_));
  }
}

io::Task<Result<void>> ControlLink::dial() {
  Result<void> outcome = fail(ErrorKind::kUnavailable, "no address of a server is known");
  for (const SocketAddress& server : options_.servers) {
    outcome = co_await dial_one(server);
    if (outcome) co_return outcome;
  }
  co_return outcome;
}

io::Task<Result<void>> ControlLink::dial_one(SocketAddress server) {
  auto context = trust::make_client_context({.svid = svid_, .bundle = bundle_, .alpn = {"h2"}});
  if (!context) co_return std::unexpected(std::move(context.error()));
  auto expected = model::SpiffeId::for_server(options_.trust_domain);
  if (!expected) co_return std::unexpected(std::move(expected.error()));
  auto transport = co_await network_.connect(server, kDialTimeout);
  if (!transport) co_return std::unexpected(std::move(transport.error()));
  auto tls = co_await http::tls_connect(loop_, std::move(*transport), std::move(*context),
                                        options_.trust_domain, expected->uri(), kDialTimeout);
  if (!tls) {
    co_return std::unexpected(std::move(tls.error()).context("TLS with " + server.to_string()));
  }
  connection_ = http::connect_http(loop_, std::move(tls->stream), http::ClientProtocol::kHttp2,
                                   std::move(tls->info), {}, [this] {
                                     if (connection_ && connection_->finished()) {
                                       lost("the server closed the connection");
                                     }
                                   });
  co_return Result<void>{};
}

io::Task<void> ControlLink::stream() {
  auto call = http::GrpcCall::open(*connection_, xds::kDeltaPath, kAuthority);
  if (!call) {
    lost(call.error().message());
    co_return;
  }
  io::TaskScope writer;
  writer.spawn(write_requests(**call));
  for (;;) {
    auto message = co_await (*call)->read();
    if (!message) {
      lost(message.error().message());
      co_return;
    }
    if (!*message) {
      lost("the server ended the discovery stream");
      co_return;
    }
    if (auto taken = discovery_.receive(**message); !taken) {
      log_.error("the control plane broke the protocol", {{"why", taken.error().message()}});
      lost(taken.error().message());
      co_return;
    }
  }
}

io::Task<void> ControlLink::write_requests(http::GrpcCall& call) {
  for (;;) {
    output_.reset();
    for (std::string& request : discovery_.take_output()) {
      auto written = co_await call.write(std::move(request));
      if (!written) {
        lost(written.error().message());
        co_return;
      }
    }
    co_await output_.wait();
  }
}

io::Task<void> ControlLink::report_loop() {
  for (;;) {
    wants_report_.reset();
    ++reports_begun_;
    auto told = co_await report();
    reports_ended_ = reports_begun_;
    report_ended_.pulse();
    if (!told) {
      lost(told.error().message());
      co_return;
    }
    co_await wants_report_.wait_for(jittered(kReportEvery, random_));
  }
}

io::Task<void> ControlLink::report_now(Duration timeout) {
  // One that is under way may have been made before.
  const uint64_t wanted = reports_begun_ + 1;
  const Instant until = loop_.now() + timeout;
  report_soon();
  while (connection_ && reports_ended_ < wanted) {
    const Duration left = until - loop_.now();
    if (left.ns <= 0 || !co_await report_ended_.wait_for(left)) co_return;
  }
}

io::Task<Result<void>> ControlLink::report() {
  const std::optional<ReportContent> collected = hooks_.collect();
  if (!collected) co_return Result<void>{};
  const ReportContent& content = *collected;
  v1::ReportRequest request;
  request.set_instance(options_.instance);
  request.set_sequence(++sequence_);
  for (const PortState& port : content.ports) {
    v1::PortHealth& health = *request.add_ports();
    health.set_app_port(port.app_port);
    health.set_ready(port.ready);
    health.set_why(port.why);
  }
  request.set_draining(content.draining);
  request.set_retiring(content.retiring);
  request.set_version(options_.version);
  for (const telemetry::EdgeTotals& edge : content.edges) put_edge(edge, *request.add_edges());
  request.set_svid_not_after(svid_->not_after().unix_seconds());
  request.set_stale_tcp_connections(content.stale_tcp_connections);
  for (const std::string& note : content.notes) request.add_notes(note);
  if (!request.mutable_registration()->ParseFromString(options_.registration)) {
    co_return fail(ErrorKind::kInternal, "the registration handed over by the keeper is damaged");
  }

  auto answer =
      co_await http::grpc_unary(loop_, *connection_, std::string(xds::kReportPath),
                                std::string(kAuthority), xds::serialize(request), kCallTimeout);
  if (!answer) co_return std::unexpected(std::move(answer.error()).context("reporting"));
  v1::ReportResponse response;
  if (!response.ParseFromString(*answer)) {
    co_return fail(ErrorKind::kProtocol, "the answer to a report cannot be read");
  }
  if (response.acknowledged() == sequence_) hooks_.reported();
  if (!response.known()) log_.warn("the server does not know this instance's lease");
  co_return Result<void>{};
}

// The server asks over a call of ours. One that does not know it (kUnsupported) is an older one; whatever else
// ends the call is no reason to think less of the connection.
io::Task<void> ControlLink::questions() {
  for (;;) {
    co_await speaks_.wait();
    auto ended = co_await answer_questions();
    if (!ended && ended.error().kind() == ErrorKind::kUnsupported) co_return;
    co_await io::sleep_for(loop_, jittered(kAskAgain, random_));
  }
}

io::Task<Result<void>> ControlLink::answer_questions() {
  auto call = http::GrpcCall::open(*connection_, xds::kQuestionsPath, kAuthority);
  if (!call) co_return std::unexpected(std::move(call.error()));
  v1::Answer hello;
  hello.set_instance(options_.instance);
  if (auto sent = co_await (*call)->write(hello.SerializeAsString()); !sent) co_return sent;
  for (;;) {
    auto message = co_await (*call)->read();
    if (!message) co_return std::unexpected(std::move(message.error()));
    if (!*message) co_return Result<void>{};
    v1::Question asked;
    if (!asked.ParseFromString(**message)) {
      co_return fail(ErrorKind::kProtocol, "a question cannot be read");
    }
    v1::Answer answer;
    answer.set_id(asked.id());
    if (!asked.host().empty()) {  // one about nothing only keeps the call open
      const Explanation explanation = co_await hooks_.explain(decode_question(asked));
      encode_explanation(explanation, *answer.mutable_explanation());
      answer.mutable_explanation()->set_version(options_.version);
    }
    if (auto sent = co_await (*call)->write(answer.SerializeAsString()); !sent) co_return sent;
  }
}

io::Task<void> ControlLink::renewal_loop() {
  for (;;) {
    co_await io::sleep_for(loop_, rotation_.wait(loop_.wall_now()));
    if (!rotation_.due(loop_.wall_now())) continue;
    co_await speaks_.wait();
    co_await online_.wait();
    auto renewed = co_await renew();
    if (renewed) continue;
    rotation_.failed(loop_.wall_now());
    log_.warn("the certificate could not be renewed",
              {{"why", renewed.error().message()},
               {"alarm", trust::to_string(rotation_.alarm(loop_.wall_now()))}});
  }
}

io::Task<Result<void>> ControlLink::renew() {
  if (!connection_) co_return fail(ErrorKind::kUnavailable, "the control plane cannot be reached");
  auto key = trust::PrivateKey::generate();
  if (!key) co_return std::unexpected(std::move(key.error()));
  auto csr = key->make_csr(svid_->id());
  if (!csr) co_return std::unexpected(std::move(csr.error()));
  v1::IssueSvidRequest request;
  request.set_csr(*csr);
  auto answer =
      co_await http::grpc_unary(loop_, *connection_, std::string(xds::kIssueSvidPath),
                                std::string(kAuthority), request.SerializeAsString(), kCallTimeout);
  if (!answer) co_return std::unexpected(std::move(answer.error()));
  v1::IssueSvidResponse response;
  if (!response.ParseFromString(*answer)) {
    co_return fail(ErrorKind::kProtocol, "the answer with the new certificate cannot be read");
  }
  auto svid =
      trust::Svid::make({response.chain().begin(), response.chain().end()}, std::move(*key));
  if (!svid) co_return std::unexpected(std::move(svid.error()));
  if ((*svid)->id() != svid_->id()) {
    co_return fail(ErrorKind::kProtocol, fmt::format("asked for {} and was given {}",
                                                     svid_->id().uri(), (*svid)->id().uri()));
  }
  svid_ = *svid;
  bundle_.roots_der.assign(response.roots().begin(), response.roots().end());
  rotation_.installed(svid_->not_before(), svid_->not_after());
  hooks_.renewed(svid_, bundle_);
  log_.info("certificate renewed", {{"serial", svid_->serial_hex()}});
  // The server knows us by the old one; come back with the new.
  lost("reconnecting with the new certificate");
  co_return Result<void>{};
}

io::Task<bool> ControlLink::leave(Duration timeout) {
  if (!connection_) co_return false;
  v1::LeaveRequest request;
  request.set_instance(options_.instance);
  auto answer =
      co_await http::grpc_unary(loop_, *connection_, std::string(xds::kLeavePath),
                                std::string(kAuthority), request.SerializeAsString(), timeout);
  if (!answer) log_.warn("could not leave the registry", {{"why", answer.error().message()}});
  co_return answer.has_value();
}

}  // namespace weft::proxy
