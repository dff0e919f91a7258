// A listener's routes travel as a Service of one port: what a rule is, is said and checked in one place
// (encode.cc, decode.cc).
#include "xds/convert_gateway.h"

#include <fmt/format.h>

#include "gateway.pb.h"
#include "xds/convert.h"
#include "xds/decode_checks.h"
#include "xds/proxy_level.h"

namespace weft::xds {
namespace {

constexpr int kListeners = model::Gateway::kMostListeners;
constexpr size_t kListenersBefore = 64;
constexpr int kAddresses = 16;
constexpr int kCertificates = 64;
constexpr size_t kPemBytes = 256 * 1024;
constexpr size_t kHostBytes = 253;

// The name of the Service around the rules; nobody reads it.
const model::ServiceName& routes_name() {
  static const model::ServiceName kName{"gateway", "routes"};
  return kName;
}

v1::GatewayListener::Protocol to_wire(model::GatewayListener::Protocol protocol) {
  switch (protocol) {
    case model::GatewayListener::kHttp: return v1::GatewayListener::HTTP;
    case model::GatewayListener::kHttps: return v1::GatewayListener::HTTPS;
    case model::GatewayListener::kTls: return v1::GatewayListener::TLS;
    case model::GatewayListener::kTcp: return v1::GatewayListener::TCP;
  }
  return v1::GatewayListener::HTTP;
}

Result<model::GatewayListener::Protocol> from_wire(int protocol) {
  switch (protocol) {
    case v1::GatewayListener::HTTP: return model::GatewayListener::kHttp;
    case v1::GatewayListener::HTTPS: return model::GatewayListener::kHttps;
    case v1::GatewayListener::TLS: return model::GatewayListener::kTls;
    case v1::GatewayListener::TCP: return model::GatewayListener::kTcp;
    default: return invalid(fmt::format("protocol: unknown value {}", protocol));
  }
}

Result<model::GatewayListener> decode(const v1::GatewayListener& in, uint32_t level) {
  model::GatewayListener out;
  auto name = field_name(in.name(), "listener name");
  if (!name) return std::unexpected(std::move(name.error()));
  out.name = std::move(*name);
  auto protocol = from_wire(in.protocol());
  if (!protocol) return std::unexpected(std::move(protocol.error()));
  out.protocol = *protocol;
  auto hostname = text(in.hostname(), "hostname", kHostBytes);
  if (!hostname) return std::unexpected(std::move(hostname.error()));
  out.hostname = std::move(*hostname);
  if (auto ok = within(in.certificates_size(), kCertificates, "certificates"); !ok)
    return std::unexpected(std::move(ok.error()));
  for (const auto& certificate : in.certificates()) {
    if (certificate.chain_pem().size() > kPemBytes || certificate.key_pem().size() > kPemBytes)
      return invalid("a certificate is too long");
    out.certificates.push_back({certificate.chain_pem(), certificate.key_pem()});
  }
  auto routes = decode_service(in.routes().SerializeAsString(), level);
  if (!routes) return std::unexpected(std::move(routes.error()));
  if (routes->ports.size() != 1) return invalid("routes: not of one port");
  out.port = std::move(routes->ports.front());
  return out;
}

Result<void> decode_front(const v1::Gateway& in, model::Gateway& out) {
  if (auto ok = within(in.addresses_size(), kAddresses, "addresses"); !ok) return ok;
  for (const std::string& address : in.addresses()) {
    auto ip = IpAddress::parse(address);
    if (!ip) return invalid("addresses: not an IP address");
    out.addresses.push_back(*ip);
  }
  if (auto ok = within(in.clients_size(), kListeners, "clients"); !ok) return ok;
  for (const auto& clients : in.clients()) {
    if (clients.port() == 0 || clients.port() > UINT16_MAX) return invalid("clients: not a port");
    if (clients.roots_pem().empty() || clients.roots_pem().size() > kResourceBytes)
      return invalid("clients: authorities that cannot be");
    out.clients[static_cast<uint16_t>(clients.port())] = {clients.roots_pem(), clients.fallback()};
  }
  return {};
}

}  // namespace

std::string encode_gateway(const model::Gateway& gateway) {
  v1::Gateway out;
  Level level;
  level.needs(Needs::kGateway);
  if (!gateway.addresses.empty() || !gateway.clients.empty() ||
      gateway.listeners.size() > kListenersBefore) {
    level.needs(Needs::kGatewayFront);
  }
  for (const IpAddress& address : gateway.addresses) out.add_addresses(address.to_string());
  for (const auto& [port, clients] : gateway.clients) {
    v1::ClientValidation& one = *out.add_clients();
    one.set_port(port);
    one.set_roots_pem(clients.roots_pem);
    one.set_fallback(clients.fallback);
  }
  out.set_namespace_(gateway.name.ns);
  out.set_name(gateway.name.name);
  for (const model::GatewayListener& listener : gateway.listeners) {
    v1::GatewayListener& one = *out.add_listeners();
    one.set_name(listener.name);
    one.set_protocol(to_wire(listener.protocol));
    one.set_hostname(listener.hostname);
    for (const model::GatewayCertificate& certificate : listener.certificates) {
      one.add_certificates()->set_chain_pem(certificate.chain_pem);
      one.mutable_certificates()->rbegin()->set_key_pem(certificate.key_pem);
    }
    // No map is in it: the same values give the same bytes.
    one.mutable_routes()->ParseFromString(encode_service({.name = routes_name(),
                                                          .vip4 = {},
                                                          .vip6 = {},
                                                          .headless = true,
                                                          .ports = {listener.port}}));
  }
  if (gateway.backend_certificate) {
    level.needs(Needs::kOutside);
    out.mutable_backend_certificate()->set_chain_pem(gateway.backend_certificate->chain_pem);
    out.mutable_backend_certificate()->set_key_pem(gateway.backend_certificate->key_pem);
  }
  out.set_min_proxy(level.value());
  return out.SerializeAsString();
}

Result<model::Gateway> decode_gateway(std::string_view bytes, uint32_t level) {
  if (bytes.size() > kResourceBytes)
    return invalid(fmt::format("{} bytes, at most {} allowed", bytes.size(), kResourceBytes));
  v1::Gateway in;
  if (!in.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return invalid("not a well-formed message");
  if (in.min_proxy() > level) {
    return fail(ErrorKind::kUnsupported,
                fmt::format("needs proxy level {}, this proxy has level {}: update weft-proxy",
                            in.min_proxy(), level));
  }
  model::Gateway out;
  out.name = {in.namespace_(), in.name()};
  if (!model::is_dns_label(out.name.ns) || !model::is_dns_label(out.name.name))
    return invalid("gateway: not a name");
  if (auto ok = decode_front(in, out); !ok) return std::unexpected(std::move(ok.error()));
  if (auto ok = within(in.listeners_size(), kListeners, "listeners"); !ok)
    return std::unexpected(std::move(ok.error()));
  for (const auto& entry : in.listeners()) {
    auto listener = decode(entry, level);
    if (!listener)
      return std::unexpected(
          std::move(listener.error()).context(fmt::format("listener {}", entry.name())));
    out.listeners.push_back(std::move(*listener));
  }
  if (in.has_backend_certificate()) {
    const v1::GatewayCertificate& shown = in.backend_certificate();
    if (shown.chain_pem().size() > kPemBytes || shown.key_pem().size() > kPemBytes)
      return invalid("the certificate for backends is too long");
    out.backend_certificate = std::make_shared<const model::GatewayCertificate>(
        model::GatewayCertificate{shown.chain_pem(), shown.key_pem()});
  }
  return out;
}

}  // namespace weft::xds
