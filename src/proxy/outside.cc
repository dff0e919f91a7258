// Fields of one hop end here, as they do in a sidecar. A context costs the parsing of its authorities (the host's own are
// a few hundred), so contexts are kept for as long as a service names them.
#include "proxy/outside.h"

#include <algorithm>

#include "proxy/field_rules.h"
#include "proxy/tls_set.h"
#include "proxy/websocket.h"
#include "trust/tls_outside.h"
#include "wire/h1_over_h2.h"

namespace weft::proxy {
namespace {

model::Protocol declared(const Snapshot& snapshot, const model::ServiceName& name, uint16_t port) {
  const LiveService* service = snapshot.service(name);
  if (!service) return model::Protocol::kAuto;
  const auto& ports = service->model().ports;
  const auto it = std::ranges::find(ports, port, &model::ServicePort::port);
  return it == ports.end() ? model::Protocol::kAuto : it->protocol;
}

UpstreamTarget::Form form_of(model::Protocol declared, OutsideUse::Kind kind, bool tls) {
  if (kind == OutsideUse::kOpaque) return UpstreamTarget::kOpaque;
  if (kind == OutsideUse::kUpgrade) return UpstreamTarget::kHttp1;
  if (declared == model::Protocol::kH2c || declared == model::Protocol::kGrpc)
    return UpstreamTarget::kHttp2;
  if (tls) return UpstreamTarget::kEither;
  const bool translated = declared == model::Protocol::kHttp || kind == OutsideUse::kHttp1Request;
  return translated ? UpstreamTarget::kHttp1 : UpstreamTarget::kHttp2;
}

std::vector<std::string> offered(UpstreamTarget::Form form) {
  switch (form) {
    case UpstreamTarget::kHttp1: return {"http/1.1"};
    case UpstreamTarget::kHttp2: return {std::string(kAlpnH2)};
    case UpstreamTarget::kEither: return {std::string(kAlpnH2), "http/1.1"};
    default: return {};
  }
}

bool same(const std::shared_ptr<const model::GatewayCertificate>& a,
          const std::shared_ptr<const model::GatewayCertificate>& b) {
  return a == b || (a && b && a->chain_pem == b->chain_pem && a->key_pem == b->key_pem);
}

class OutsideStream final : public http::ClientStream {
 public:
  // `accept`: what the server must accept the translated upgrade with; "" = nothing was translated.
  OutsideStream(http::ClientStreamPtr server, std::string accept)
      : server_(std::move(server)), accept_(std::move(accept)) {}

  io::Task<Result<wire::ResponseHead>> read_head() override {
    auto head = co_await server_->read_head();
    if (!head) co_return head;
    clean_upgrade_answer(*head, false);
    if (!accept_.empty() && !answer_to_connect(*head, accept_)) {
      co_return fail(ErrorKind::kProtocol,
                     "the server agreed to a WebSocket without having understood",
                     ErrorSource::kUpstream);
    }
    co_return head;
  }
  io::Task<Result<http::BodyPiece>> read_body() override {
    auto piece = co_await server_->read_body();
    if (piece && !piece->trailers.empty()) wire::remove_weft_fields(piece->trailers);
    co_return piece;
  }
  io::Task<Result<void>> send_body(Buffer data) override {
    return server_->send_body(std::move(data));
  }
  void finish(wire::Fields trailers) override {
    wire::restore_trailers_from_hop(trailers);
    server_->finish(std::move(trailers));
  }
  void reset() override { server_->reset(); }
  const http::ConnectionInfo& connection() const override { return server_->connection(); }

 private:
  http::ClientStreamPtr server_;
  const std::string accept_;
};

}  // namespace

SocketAddress address_of(const model::Endpoint& endpoint, uint16_t app_port) {
  return endpoint.outside ? SocketAddress{endpoint.address.ip, app_port} : endpoint.address;
}

UpstreamTarget outside_target(const Snapshot& snapshot, const EndpointGroup& group,
                              const model::Endpoint& endpoint, const OutsideUse& use) {
  UpstreamTarget target{.instance = endpoint.workload,
                        .address = address_of(endpoint, use.app_port),
                        .identity = {},
                        .app_port = use.app_port};
  if (const auto it = group.outside_tls.find(use.port); it != group.outside_tls.end())
    target.tls = it->second;
  target.form = form_of(declared(snapshot, use.service, use.port), use.kind, target.tls != nullptr);
  return target;
}

std::string problem_outside(const Worker& worker, const UpstreamTarget& target) {
  if (target.tls && !target.tls->problem.empty())
    return target.tls->origin + ": " + target.tls->problem;
  if (target.address.ip.is_loopback() && !worker.host_ports.contains(target.address.port))
    return "the host's loopback is closed (see --host-port)";
  return "";
}

uint64_t OutsideContexts::generation() {
  const auto& gateway = worker_.snapshot->gateway;
  const auto now = gateway ? gateway->backend_certificate() : nullptr;
  if (!same(now, shown_)) {
    shown_ = now;
    made_.clear();
    ++generation_;
  }
  return generation_;
}

Result<trust::TlsContextPtr> OutsideContexts::of(const model::OutsideTlsPtr& tls,
                                                 UpstreamTarget::Form form) {
  generation();
  trust::TlsContextPtr& slot = made_[{tls, form}];
  if (slot) return slot;
  trust::OutsideClientConfig config{.authorities_pem = tls->authorities,
                                    .names = {},
                                    .alpn = offered(form),
                                    .chain_pem = shown_ ? shown_->chain_pem : "",
                                    .key_pem = shown_ ? shown_->key_pem : ""};
  for (const model::OutsideTls::Name& name : tls->names)
    config.names.push_back({name.uri, name.value});
  if (config.names.empty()) config.names.push_back({false, tls->server_name});
  auto made = trust::make_outside_client_context(config);
  if (made) slot = *made;
  return made;
}

void OutsideContexts::sweep() {
  std::erase_if(made_, [](const auto& entry) { return entry.first.first.use_count() == 1; });
}

Result<http::ClientStreamPtr> open_outside(http::ClientConnection& client,
                                           http::ClientProtocol protocol, wire::RequestHead head,
                                           bool end, Random& random) {
  if (protocol == http::ClientProtocol::kHttp2) {
    head.fields.remove(wire::kH1Names);
    head.version = wire::Version::kHttp2;
  }
  wire::restore_from_hop(head, end);
  head.scheme = client.info().tls ? "https" : "http";
  std::string accept;
  if (protocol == http::ClientProtocol::kHttp1 && !head.protocol.empty())
    accept = upgrade_from_connect(head, random);
  auto stream = client.open(head, end);
  if (!stream) return std::unexpected(std::move(stream.error()));
  return std::make_unique<OutsideStream>(std::move(*stream), std::move(accept));
}

}  // namespace weft::proxy
