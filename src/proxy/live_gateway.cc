// A Gateway has a handful of listeners: looking through them is cheaper than a map.
#include "proxy/live_gateway.h"

#include <algorithm>

namespace weft::proxy {
namespace {

const std::vector<std::string>& web_protocols() {
  static const std::vector<std::string> kNames = {"h2", "http/1.1"};
  return kNames;
}

// RFC 6125 section 6.4.3: in a certificate a wildcard stands for one label.
bool covers(const std::string& name, std::string_view server_name) {
  if (!name.starts_with("*.")) return name == server_name;
  const size_t dot = server_name.find('.');
  return dot != std::string_view::npos && dot > 0 && server_name.substr(dot) == name.substr(1);
}

}  // namespace

bool LiveListener::certifies(const trust::PublicServer& certificate, std::string_view server_name) {
  return std::ranges::any_of(certificate.names,
                             [&](const std::string& name) { return covers(name, server_name); });
}

const trust::PublicServer* LiveListener::certificate(std::string_view server_name) const {
  for (const trust::PublicServer& one : certificates) {
    if (certifies(one, server_name)) return &one;
  }
  return certificates.empty() ? nullptr : &certificates.front();
}

Result<std::shared_ptr<const LiveGateway>> LiveGateway::compile(const model::Gateway& gateway) {
  auto out = std::make_shared<LiveGateway>();
  out->name_ = gateway.name;
  out->addresses_ = gateway.addresses;
  out->backend_certificate_ = gateway.backend_certificate;
  for (const model::GatewayListener& listener : gateway.listeners) {
    const auto wrong = [&](Error error) {
      return std::unexpected(std::move(error).context("listener " + listener.name));
    };
    LiveListener live;
    live.name = listener.name;
    live.protocol = listener.protocol;
    live.hostname = listener.hostname;
    model::Service routes;  // without a name: every backend is another's
    routes.ports = {listener.port};
    auto compiled = CompiledService::compile(routes);
    if (!compiled) return wrong(std::move(compiled.error()));
    live.routes = std::move(*compiled);
    const auto clients = gateway.clients.find(live.number());
    if (clients != gateway.clients.end() && live.protocol == model::GatewayListener::kHttps)
      live.clients = clients->second;
    trust::PublicClients ask;
    if (live.clients) ask = {live.clients->roots_pem, live.clients->fallback};
    for (const model::GatewayCertificate& certificate : listener.certificates) {
      auto server = trust::make_public_server(certificate.chain_pem, certificate.key_pem,
                                              web_protocols(), live.clients ? &ask : nullptr);
      if (!server) return wrong(std::move(server.error()));
      live.certificates.push_back(std::move(*server));
    }
    if (live.protocol == model::GatewayListener::kHttps && live.certificates.empty())
      return wrong(Error(ErrorKind::kInvalid, "HTTPS without a certificate"));
    out->listeners_.push_back(std::move(live));
  }
  return out;
}

std::set<uint16_t> LiveGateway::ports() const {
  std::set<uint16_t> out;
  for (const LiveListener& listener : listeners_) out.insert(listener.number());
  return out;
}

const LiveListener* LiveGateway::any(uint16_t port) const {
  const auto it = std::ranges::find(listeners_, port, &LiveListener::number);
  return it == listeners_.end() ? nullptr : &*it;
}

const LiveListener* LiveGateway::find(uint16_t port, std::string_view host) const {
  const LiveListener* best = nullptr;
  for (const LiveListener& listener : listeners_) {
    if (listener.number() != port) continue;
    if (listener.hostname == host && !host.empty()) return &listener;
    if (!listener.hostname.empty() && !host_matches(host, listener.hostname)) continue;
    // Of wildcards that match, the longer is the closer.
    if (!best || listener.hostname.size() > best->hostname.size()) best = &listener;
  }
  return best;
}

const LiveListener* LiveGateway::named(std::string_view listener) const {
  const auto it = std::ranges::find(listeners_, listener, &LiveListener::name);
  return it == listeners_.end() ? nullptr : &*it;
}

std::vector<model::ServiceName> LiveGateway::dependencies() const {
  std::set<model::ServiceName> names;
  for (const LiveListener& listener : listeners_) {
    names.insert(listener.routes->dependencies().begin(), listener.routes->dependencies().end());
  }
  return {names.begin(), names.end()};
}

}  // namespace weft::proxy
