// Everything is computed when asked: status is read seldom, and what is not kept cannot be wrong.
#include "control/server_status.h"

#include <algorithm>

#include <fmt/format.h>

#include "telemetry/prometheus.h"

namespace weft::control {
namespace {

constexpr Duration kWindow = Duration::minutes(1);
// Three reports.
constexpr Duration kRetiringShown = Duration::seconds(6);
// A certificate that lives an hour is renewed after half of it; less than this left means trouble.
constexpr Duration kExpiryWarning = Duration::minutes(10);

std::vector<std::string> service_names(const Compiler& compiler, const std::string& id) {
  std::vector<std::string> out;
  for (const auto& name : compiler.services_of(id)) {
    auto compiled = compiler.compile(name);
    if (!compiled) continue;
    for (const auto& port : compiled->service.ports) {
      out.push_back(fmt::format("{}:{}", name.to_string(), port.port));
    }
  }
  return out;
}

InstanceStatus instance_status(const StatusSources& s, const InstanceRecord& record) {
  const Instance& instance = record.instance;
  InstanceStatus out;
  out.id = instance.id;
  out.ns = instance.ns;
  out.identity = instance.identity.uri();
  out.machine = record.machine;
  out.address = instance.address.to_string();
  out.mesh4 = instance.mesh4.to_string();
  out.mesh6 = instance.mesh6.to_string();
  out.labels = s.compiler.labels_of(instance);
  out.services = service_names(s.compiler, instance.id);
  auto state = s.registry.state_of(record);
  out.state = std::move(state.state);
  out.why = std::move(state.why);
  out.registered = record.registered;
  out.svid_expires = record.svid_expires;
  out.silent_for = s.clock.now() - record.heard;
  out.stale_tcp_connections = record.stale_tcp_connections;
  out.notes = record.notes;
  out.sidecar_version = record.sidecar_version;
  if (record.retiring_heard && s.clock.now() - *record.retiring_heard < kRetiringShown) {
    out.notes.push_back("upgraded; the sidecar before (" + record.retiring_version +
                        ") still carries connections");
  }
  return out;
}

EdgeStatus edge_status(const EdgesView::Row& row) {
  EdgeStatus out;
  out.source = row.key.source;
  out.destination = row.key.destination;
  out.service = row.key.service;
  out.port = row.key.port;
  out.protocol = row.key.protocol;
  out.mtls = row.mtls;
  double seconds = row.covered.to_seconds_f();
  out.requests_per_second = seconds > 0 ? static_cast<double>(row.recent.requests) / seconds : 0;
  if (row.recent.requests > 0) {
    out.success_ratio = 1 - static_cast<double>(std::min(row.recent.errors, row.recent.requests)) /
                                static_cast<double>(row.recent.requests);
  }
  out.p50 = row.recent.latency.quantile(0.5);
  out.p99 = row.recent.latency.quantile(0.99);
  out.requests = row.total.requests;
  out.errors = row.total.errors;
  out.retries = row.total.retries;
  out.connections = row.total.connections;
  return out;
}

std::vector<CertificateStatus> certificates(const StatusSources& s) {
  const auto& authority = s.ca.authority();
  std::vector<CertificateStatus> out;
  out.push_back({"root", authority.root_not_after() - trust::CertificateAuthority::kRootLife,
                 authority.root_not_after(), "kept in the server's store"});
  out.push_back(
      {"intermediate",
       authority.intermediate_not_after() - trust::CertificateAuthority::kIntermediateLife,
       authority.intermediate_not_after(), "renewed at half of its life"});
  if (s.server_svid != nullptr) {
    out.push_back({"server", s.server_svid->not_before(), s.server_svid->not_after(),
                   "renewed at half of its life"});
  }
  return out;
}

std::vector<std::string> warnings(const StatusSources& s) {
  std::vector<std::string> out = s.discovery.refusals();
  for (const auto& [id, record] : s.registry.all()) {
    if (record.instance.stale)
      out.push_back(fmt::format("{}: {}", id, s.registry.state_of(record).why));
    if (record.svid_expires.unix_ns != 0 && !record.instance.leaving &&
        record.svid_expires - s.clock.wall_now() < kExpiryWarning) {
      out.push_back(fmt::format("{}: its certificate ends in {} s and was not renewed", id,
                                (record.svid_expires - s.clock.wall_now()).to_seconds()));
    }
  }
  return out;
}

}  // namespace

StatusView make_status(const StatusSources& s) {
  StatusView view;
  view.trust_domain = s.ca.trust_domain();
  view.now = s.clock.wall_now();
  view.proxies = static_cast<uint32_t>(s.discovery.proxies());
  for (const auto& [id, record] : s.registry.all()) {
    view.instances.push_back(instance_status(s, record));
  }
  for (const auto& row : s.edges.rows(kWindow, s.clock.now()))
    view.edges.push_back(edge_status(row));
  view.certificates = certificates(s);
  view.warnings = warnings(s);
  return view;
}

std::string make_metrics(const StatusSources& s) {
  telemetry::MetricsText text(false);
  text.gauge("weft_server_proxies", "Sidecars connected to discovery.");
  text.sample({}, static_cast<uint64_t>(s.discovery.proxies()));
  std::map<std::string, uint64_t> states;
  for (const auto& [id, record] : s.registry.all()) ++states[s.registry.state_of(record).state];
  text.gauge("weft_server_instances", "Registered instances by state.");
  for (const auto& [state, count] : states) text.sample({{"state", state}}, count);
  text.gauge("weft_server_services", "Services of the mesh.");
  text.sample({}, static_cast<uint64_t>(s.compiler.services().size()));
  text.gauge("weft_server_certificate_expiry_seconds", "When a certificate ends, as Unix time.");
  for (const auto& certificate : certificates(s)) {
    text.sample({{"certificate", certificate.what}},
                static_cast<uint64_t>(certificate.not_after.unix_seconds()));
  }
  std::vector<telemetry::EdgeTotals> edges;
  for (const auto& row : s.edges.rows(kWindow, s.clock.now())) {
    telemetry::EdgeTotals totals;
    totals.key = {row.key.source,   row.key.destination,
                  row.key.service,  static_cast<uint16_t>(row.key.port),
                  row.key.protocol, false,
                  row.mtls};
    totals.requests = row.total.requests;
    totals.errors = row.total.errors;
    totals.retries = row.total.retries;
    totals.connections = row.total.connections;
    totals.bytes_sent = row.total.bytes_sent;
    totals.bytes_received = row.total.bytes_received;
    totals.latency = row.total.latency;
    edges.push_back(std::move(totals));
  }
  telemetry::write_edges(text, edges);
  return text.finish();
}

}  // namespace weft::control
