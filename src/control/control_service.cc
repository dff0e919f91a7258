// Every method reads the same way: decode, who may, do, encode. Authorisation looks at the caller's
// certificate (or socket credentials) and at what is stored, never at what the message says of
// itself.
#include "control/control_service.h"

#include <fmt/format.h>

#include "control.pb.h"
#include "control/registry_codec.h"
#include "explain.pb.h"
#include "http/grpc.h"
#include "xds/resource_type.h"

namespace weft::control {
namespace {

constexpr size_t kRequestBytes = 1024 * 1024;
constexpr int kEdges = 10'000;

template <typename Message>
Result<Message> parse(std::string_view bytes) {
  Message message;
  if (bytes.size() > kRequestBytes ||
      !message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return fail(ErrorKind::kInvalid, "a malformed request");
  }
  return message;
}

std::unexpected<Error> denied(std::string text) {
  return fail(ErrorKind::kDenied, std::move(text));
}

std::string machine_of(const Caller& caller) {
  return std::string(caller.id.path().substr(std::string_view("/machine/").size()));
}

template <typename Message>
void put_credential(Message& message, const std::vector<std::string>& chain,
                    const std::vector<std::string>& roots) {
  for (const auto& der : chain) message.add_chain(der);
  for (const auto& der : roots) message.add_roots(der);
}

EdgeCounts counts_of(const v1::EdgeReport& edge) {
  EdgeCounts out;
  out.requests = edge.requests();
  out.errors = edge.errors();
  out.retries = edge.retries();
  out.connections = edge.connections();
  out.bytes_sent = edge.bytes_sent();
  out.bytes_received = edge.bytes_received();
  for (const auto& [bucket, count] : edge.latency()) {
    if (bucket < telemetry::kFirstBucket || bucket >= telemetry::kBucketEnd) continue;
    out.latency.buckets[bucket] += count;
    out.latency.count += count;
  }
  return out;
}

}  // namespace

Result<Caller> ControlService::caller_of(const http::ConnectionInfo& info) const {
  Caller caller;
  caller.from = info.peer.ip;
  caller.to = info.local;
  if (!info.tls) {
    if (!parts_.allowed_uids.contains(info.peer_uid)) {
      return denied(
          fmt::format("uid {} may not use this server: only root, the user it runs as, and "
                      "users allowed with `weft server --allow USER` may",
                      info.peer_uid));
    }
    caller.kind = Caller::kLocal;
    caller.from = IpAddress::v4(0x7f000001);
    return caller;
  }
  if (info.peer_spiffe_id.empty()) return caller;
  auto id = model::SpiffeId::parse(info.peer_spiffe_id);
  if (!id) return std::unexpected(id.error());
  caller.id = std::move(*id);
  if (caller.id.is_machine()) {
    caller.kind = Caller::kMachine;
  } else if (!caller.id.workload_name().empty()) {
    caller.kind = Caller::kWorkload;
  } else {
    return denied(fmt::format("{} has no business here", caller.id.uri()));
  }
  return caller;
}

Result<std::string> ControlService::unary(std::string_view path, const Caller& caller,
                                          std::string_view request) {
  if (path == xds::kReportPath) return report(caller, request);
  if (path == xds::kRegisterPath) return register_instance(caller, request);
  if (path == xds::kIssueSvidPath) return issue_svid(caller, request);
  if (path == xds::kLeavePath) return leave(caller, request);
  if (path == xds::kJoinPath) return join(caller, request);
  if (path == xds::kRenewMachinePath) return renew_machine(caller, request);
  return fail(ErrorKind::kUnsupported, fmt::format("no method {}", path));
}

Result<std::string> ControlService::join(const Caller& caller, std::string_view bytes) {
  auto request = parse<v1::JoinRequest>(bytes);
  if (!request) return std::unexpected(request.error());
  if (caller.kind == Caller::kLocal) {
    return fail(ErrorKind::kInvalid, "the server's own host needs not join");
  }
  auto credential =
      parts_.joining->join(request->token_secret(), request->machine_name(), request->csr());
  if (!credential) return std::unexpected(credential.error());
  learn_host_ip(caller);
  v1::JoinResponse response;
  put_credential(response, credential->chain_der, credential->roots_der);
  response.set_trust_domain(parts_.ca->trust_domain());
  return response.SerializeAsString();
}

Result<std::string> ControlService::renew_machine(const Caller& caller, std::string_view bytes) {
  auto request = parse<v1::RenewMachineRequest>(bytes);
  if (!request) return std::unexpected(request.error());
  if (caller.kind != Caller::kMachine) return denied("only a joined machine may renew itself");
  auto credential = parts_.joining->renew(machine_of(caller), request->csr());
  if (!credential) return std::unexpected(credential.error());
  v1::JoinResponse response;
  put_credential(response, credential->chain_der, credential->roots_der);
  response.set_trust_domain(parts_.ca->trust_domain());
  return response.SerializeAsString();
}

// The machine a registration is made from ("" = the server's host), if the caller may make it.
Result<std::string> ControlService::registrar(const Caller& caller,
                                              const Registration& registration) const {
  if (caller.kind == Caller::kLocal) return std::string();
  if (caller.kind != Caller::kMachine) {
    return denied(
        "registering needs a machine credential (join with a token) or the server's socket");
  }
  auto machine = parts_.joining->machine(machine_of(caller));
  if (!machine) return std::unexpected(machine.error());
  if (!machine->ns.empty() && machine->ns != registration.ns) {
    return denied(
        fmt::format("this machine joined for namespace {}, not {}", machine->ns, registration.ns));
  }
  if (!machine->service.empty()) {
    bool fits = registration.account() == machine->service;
    for (const auto& claim : registration.claims) fits = fits && claim.service == machine->service;
    if (!fits)
      return denied(fmt::format("this machine joined for the service {} only", machine->service));
  }
  return machine->id;
}

// A joined machine reaches this host by the address its calls arrive at; so do its sidecars.
void ControlService::learn_host_ip(const Caller& caller) {
  if (parts_.fixed_host_ip || caller.kind == Caller::kLocal || caller.to.ip.is_loopback() ||
      caller.to.ip.is_unspecified()) {
    return;
  }
  auto changed = parts_.registry->set_host_ip(caller.to.ip);
  if (!changed.empty()) parts_.changed(changed);
}

Result<std::string> ControlService::register_instance(const Caller& caller,
                                                      std::string_view bytes) {
  auto request = parse<v1::RegisterRequest>(bytes);
  if (!request) return std::unexpected(request.error());
  auto registration = read_registration(*request);
  if (!registration) return std::unexpected(registration.error());
  auto machine = registrar(caller, *registration);
  if (!machine) return std::unexpected(machine.error());
  if (caller.kind == Caller::kMachine) learn_host_ip(caller);

  // Signing first: a registration without a usable key changes nothing.
  auto identity = model::SpiffeId::for_workload(parts_.ca->trust_domain(), registration->ns,
                                                registration->account());
  if (!identity) return std::unexpected(identity.error());
  auto issued = parts_.ca->authority().sign(request->csr(), *identity, parts_.clock->wall_now(),
                                            parts_.svid_life);
  if (!issued) return std::unexpected(issued.error());
  auto record = parts_.registry->add(std::move(*registration), *machine, caller.from);
  if (!record) return std::unexpected(record.error());
  const Instance& instance = (*record)->instance;
  last_sequence_.erase(instance.id);
  parts_.changed({instance.id});

  v1::RegisterResponse response;
  response.set_instance(instance.id);
  response.set_identity(identity->uri());
  put_credential(response, issued->chain_der, parts_.ca->authority().bundle().roots_der);
  response.set_trust_domain(parts_.ca->trust_domain());
  response.set_mesh4(instance.mesh4.to_bytes());
  response.set_mesh6(instance.mesh6.to_bytes());
  response.set_mesh4_range(parts_.ca->addresses().range4());
  response.set_mesh6_range(parts_.ca->addresses().range6());
  response.add_discovery(
      (caller.kind == Caller::kLocal ? parts_.local_discovery : caller.to).to_string());
  response.set_advertise_port(instance.address.port);
  response.set_advertise_ip(instance.address.ip.to_bytes());
  return response.SerializeAsString();
}

Result<std::string> ControlService::issue_svid(const Caller& caller, std::string_view bytes) {
  auto request = parse<v1::IssueSvidRequest>(bytes);
  if (!request) return std::unexpected(request.error());
  if (caller.kind != Caller::kWorkload) return denied("only a workload may renew its certificate");
  // Some instance of that identity must still have its place here.
  Error why(ErrorKind::kDenied, fmt::format("no instance of {} is registered", caller.id.uri()));
  bool known = false;
  for (const auto& [id, record] : parts_.registry->all()) {
    if (!owns(caller, record)) continue;
    auto machine = record.machine.empty() ? MachineRow{} : parts_.joining->machine(record.machine);
    if (machine) {
      known = true;
      break;
    }
    why = std::move(machine.error());
  }
  if (!known) return std::unexpected(std::move(why));
  auto issued = parts_.ca->authority().sign(request->csr(), caller.id, parts_.clock->wall_now(),
                                            parts_.svid_life);
  if (!issued) return std::unexpected(issued.error());
  v1::IssueSvidResponse response;
  put_credential(response, issued->chain_der, parts_.ca->authority().bundle().roots_der);
  return response.SerializeAsString();
}

bool ControlService::owns(const Caller& caller, const InstanceRecord& record) const {
  switch (caller.kind) {
    case Caller::kLocal: return true;
    case Caller::kMachine: return record.machine == machine_of(caller);
    case Caller::kWorkload: return record.instance.identity == caller.id;
    case Caller::kAnonymous: return false;
  }
  return false;
}

// An instance whose lease ended while it could not be heard registers again by its report: its
// certificate and what is remembered of it vouch for it.
Result<void> ControlService::come_back(const Caller& caller, const v1::ReportRequest& request) {
  const Registry::Former* former = parts_.registry->former(request.instance());
  if (former == nullptr || former->identity != caller.id || !request.has_registration()) {
    return fail(ErrorKind::kNotFound, "register again");
  }
  auto registration = read_registration(request.registration());
  if (!registration) return std::unexpected(registration.error());
  registration->instance = request.instance();
  auto identity = model::SpiffeId::for_workload(parts_.ca->trust_domain(), registration->ns,
                                                registration->account());
  if (!identity || *identity != caller.id) return denied("the registration names another identity");
  if (!former->machine.empty()) {
    if (auto machine = parts_.joining->machine(former->machine); !machine) {
      return std::unexpected(machine.error());
    }
  }
  if (former->on_server_host) registration->advertise_ip.reset();
  auto record = parts_.registry->add(std::move(*registration), former->machine, caller.from);
  if (!record) return std::unexpected(record.error());
  parts_.changed({request.instance()});
  return {};
}

void ControlService::take_edges(const v1::ReportRequest& request, const model::SpiffeId& reporter) {
  // A report whose answer got lost comes again with the same number.
  uint64_t& last = last_sequence_[request.instance()];
  if (request.sequence() != 0 && request.sequence() == last) return;
  last = request.sequence();
  int taken = 0;
  for (const auto& edge : request.edges()) {
    // A sidecar speaks of its own end only.
    const std::string& own = edge.inbound() ? edge.destination() : edge.source();
    if (own != reporter.uri() || ++taken > kEdges) continue;
    parts_.edges->add(
        {edge.source(), edge.destination(), edge.service(), edge.port(), edge.protocol()},
        edge.inbound(), edge.mtls(), counts_of(edge), parts_.clock->now());
  }
}

Result<std::string> ControlService::report(const Caller& caller, std::string_view bytes) {
  auto request = parse<v1::ReportRequest>(bytes);
  if (!request) return std::unexpected(request.error());
  if (caller.kind != Caller::kWorkload) return denied("only a sidecar may report");
  v1::ReportResponse response;
  response.set_acknowledged(request->sequence());
  const InstanceRecord* record = parts_.registry->find(request->instance());
  if (record == nullptr) {
    auto back = come_back(caller, *request);
    if (!back) {
      if (back.error().kind() != ErrorKind::kNotFound) return std::unexpected(back.error());
      last_sequence_.erase(request->instance());
      return response.SerializeAsString();  // known = false
    }
    record = parts_.registry->find(request->instance());
  }
  if (!owns(caller, *record)) {
    return denied(fmt::format("the instance {} is not {}'s", request->instance(), caller.id.uri()));
  }
  response.set_known(true);
  if (request->retiring()) {
    parts_.registry->retiring(request->instance(), request->version());
    take_edges(*request, caller.id);
    return response.SerializeAsString();
  }
  auto changed = parts_.registry->report(request->instance(), read_health(*request));
  if (!changed) return std::unexpected(changed.error());
  if (*changed) parts_.changed({request->instance()});
  take_edges(*request, caller.id);
  return response.SerializeAsString();
}

Result<std::string> ControlService::leave(const Caller& caller, std::string_view bytes) {
  auto request = parse<v1::LeaveRequest>(bytes);
  if (!request) return std::unexpected(request.error());
  const InstanceRecord* record = parts_.registry->find(request->instance());
  // Gone is what was asked for.
  if (record == nullptr) return v1::LeaveResponse().SerializeAsString();
  if (!owns(caller, *record))
    return denied(fmt::format("the instance {} is not yours", request->instance()));
  auto changed = parts_.registry->leave(request->instance());
  if (!changed) return std::unexpected(changed.error());
  if (*changed) parts_.changed({request->instance()});
  return v1::LeaveResponse().SerializeAsString();
}

Result<std::string> ControlService::answerer(const Caller& caller, std::string_view bytes) const {
  auto hello = parse<v1::Answer>(bytes);
  if (!hello) return std::unexpected(hello.error());
  if (caller.kind != Caller::kWorkload) return denied("only a sidecar is asked questions");
  const InstanceRecord* record = parts_.registry->find(hello->instance());
  if (record == nullptr) return fail(ErrorKind::kNotFound, "register first");
  if (!owns(caller, *record)) {
    return denied(fmt::format("the instance {} is not {}'s", hello->instance(), caller.id.uri()));
  }
  return hello->instance();
}

io::Task<void> ControlService::handle(http::ServerStreamPtr stream) {
  auto call = std::make_unique<http::GrpcServerCall>(std::move(stream));
  auto caller = caller_of(call->connection());
  if (!caller) {
    call->finish(http::grpc_status_of(caller.error()), caller.error().message());
    co_return;
  }
  if (call->path() == xds::kDeltaPath) {
    if (caller->kind != Caller::kWorkload) {
      call->finish(http::GrpcStatus::kPermissionDenied, "discovery is for workloads");
      co_return;
    }
    co_await parts_.discovery->serve(std::move(call));
    co_return;
  }
  auto request = co_await call->read();
  if (!request) co_return;
  if (!*request) {
    call->finish(http::GrpcStatus::kInvalidArgument, "a call without a message");
    co_return;
  }
  if (call->path() == xds::kQuestionsPath) {
    auto instance = answerer(*caller, **request);
    if (!instance) {
      call->finish(http::grpc_status_of(instance.error()), instance.error().message());
      co_return;
    }
    co_await parts_.questions->serve(std::move(call), std::move(*instance));
    co_return;
  }
  auto answer = unary(call->path(), *caller, **request);
  if (!answer) {
    call->finish(http::grpc_status_of(answer.error()), answer.error().message());
    co_return;
  }
  if (auto ok = co_await call->write(std::move(*answer)); !ok) co_return;
  call->finish(http::GrpcStatus::kOk);
}

}  // namespace weft::control
