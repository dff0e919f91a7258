// Every check of what an instance claims stands here, in the order a person would want to hear of
// it.
#include "control/registry_codec.h"

#include <fmt/format.h>

#include "control.pb.h"

namespace weft::control {
namespace {

constexpr int kClaims = 32;
constexpr size_t kLabels = 64;
constexpr size_t kLabelBytes = 256;
constexpr int kPorts = 256;
constexpr int kNotes = 32;
constexpr size_t kNoteBytes = 512;

std::unexpected<Error> invalid(std::string text) {
  return fail(ErrorKind::kInvalid, std::move(text));
}

Result<Instance::Claim> read_claim(const v1::ServiceClaim& in) {
  if (!model::is_dns_label(in.name())) {
    return invalid(fmt::format("service '{}': a name is 1 to 63 of a-z, 0-9 and '-'", in.name()));
  }
  if (in.port() > 65535 || in.app_port() > 65535) {
    return invalid(fmt::format("service {}: a port is a number from 1 to 65535", in.name()));
  }
  Instance::Claim out;
  out.service = in.name();
  out.port = static_cast<uint16_t>(in.port());
  out.app_port = static_cast<uint16_t>(in.app_port() != 0 ? in.app_port() : in.port());
  if (!in.protocol().empty()) {
    auto protocol = model::parse_protocol(in.protocol());
    if (!protocol) {
      return invalid(fmt::format("service {}: unknown protocol '{}' (http, h2c, grpc or tcp)",
                                 in.name(), in.protocol()));
    }
    out.protocol = *protocol;
  }
  return out;
}

Result<void> read_labels(const google::protobuf::Map<std::string, std::string>& in, Labels& out) {
  if (in.size() > kLabels) return invalid(fmt::format("more than {} labels", kLabels));
  for (const auto& [key, value] : in) {
    if (key.empty() || key.size() > kLabelBytes || value.size() > kLabelBytes) {
      return invalid(fmt::format("a label's name and value have at most {} bytes", kLabelBytes));
    }
    out.emplace(key, value);
  }
  return {};
}

v1::RegisterRequest to_message(const Registration& in) {
  v1::RegisterRequest out;
  out.set_instance(in.instance);
  out.set_namespace_(in.ns);
  for (const auto& claim : in.claims) {
    auto* c = out.add_services();
    c->set_name(claim.service);
    c->set_port(claim.port);
    c->set_app_port(claim.app_port);
    if (claim.protocol != model::Protocol::kAuto) {
      c->set_protocol(std::string(model::to_string(claim.protocol)));
    }
  }
  for (const auto& [key, value] : in.labels) (*out.mutable_labels())[key] = value;
  if (in.advertise_ip) out.set_advertise_ip(in.advertise_ip->to_bytes());
  out.set_advertise_port(in.advertise_port);
  out.set_identity_name(in.identity_name);
  return out;
}

}  // namespace

Result<Registration> read_registration(const v1::RegisterRequest& request) {
  Registration out;
  out.instance = request.instance();
  if (!out.instance.empty() && !model::is_dns_label(out.instance)) {
    return invalid("the instance id is damaged");
  }
  out.ns = request.namespace_().empty() ? "default" : request.namespace_();
  if (!model::is_dns_label(out.ns)) {
    return invalid(fmt::format("namespace '{}': a name is 1 to 63 of a-z, 0-9 and '-'", out.ns));
  }
  if (request.services_size() > kClaims)
    return invalid(fmt::format("more than {} services", kClaims));
  for (const auto& entry : request.services()) {
    auto claim = read_claim(entry);
    if (!claim) return std::unexpected(claim.error());
    for (const auto& other : out.claims) {
      if (other.service == claim->service && other.port == claim->port) {
        return invalid(fmt::format("service {}:{} is named twice", claim->service, claim->port));
      }
    }
    out.claims.push_back(std::move(*claim));
  }
  if (auto ok = read_labels(request.labels(), out.labels); !ok) return std::unexpected(ok.error());
  out.identity_name = request.identity_name();
  if (out.claims.empty() && !model::is_dns_label(out.identity_name)) {
    return invalid("an instance needs a name: --service NAME");
  }
  if (!request.advertise_ip().empty()) {
    auto ip = IpAddress::from_bytes(request.advertise_ip());
    if (!ip) return std::unexpected(std::move(ip.error()).context("advertised address"));
    if (ip->is_unspecified()) return invalid("advertised address: name one that others can dial");
    out.advertise_ip = *ip;
  }
  if (request.advertise_port() == 0 || request.advertise_port() > 65535) {
    return invalid("advertised port: missing");
  }
  out.advertise_port = static_cast<uint16_t>(request.advertise_port());
  return out;
}

HealthReport read_health(const v1::ReportRequest& request) {
  HealthReport out;
  out.draining = request.draining();
  for (const auto& port : request.ports()) {
    if (port.app_port() == 0 || port.app_port() > 65535 || out.ports.size() >= kPorts) continue;
    out.ports.push_back(
        {static_cast<uint16_t>(port.app_port()), port.ready(), port.why().substr(0, kNoteBytes)});
  }
  constexpr int64_t kYear2200 = 7'258'118'400;  // nanoseconds stay within 64 bits
  int64_t expires = request.svid_not_after();
  if (expires > 0 && expires < kYear2200) out.svid_expires = WallTime::from_unix_seconds(expires);
  out.stale_tcp_connections = request.stale_tcp_connections();
  out.version = request.version().substr(0, kNoteBytes);
  for (const auto& note : request.notes()) {
    if (out.notes.size() < kNotes) out.notes.push_back(note.substr(0, kNoteBytes));
  }
  return out;
}

std::string pack_instance(const InstanceRecord& record) {
  v1::InstanceMemory out;
  *out.mutable_registration() = to_message(record.registration);
  out.set_ip(record.instance.address.ip.to_bytes());
  out.set_port(record.instance.address.port);
  out.set_on_server_host(record.on_server_host);
  for (const auto& [port, ready] : record.instance.ready) (*out.mutable_ready())[port] = ready;
  out.set_leaving(record.instance.leaving);
  return out.SerializeAsString();
}

Result<InstanceRecord> unpack_instance(std::string_view bytes) {
  v1::InstanceMemory in;
  if (!in.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return invalid("a stored instance is damaged");
  }
  auto registration = read_registration(in.registration());
  if (!registration) return std::unexpected(registration.error());
  auto ip = IpAddress::from_bytes(in.ip());
  if (!ip) return std::unexpected(ip.error());
  InstanceRecord out;
  out.registration = std::move(*registration);
  out.instance.address = {*ip, static_cast<uint16_t>(in.port())};
  out.on_server_host = in.on_server_host();
  for (const auto& [port, ready] : in.ready()) {
    out.instance.ready[static_cast<uint16_t>(port)] = ready;
  }
  out.instance.leaving = in.leaving();
  return out;
}

}  // namespace weft::control
