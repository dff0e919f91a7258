// Each call is a conversation of four steps: reach the server (Unix socket, or the first of its
// addresses that answers), TLS, one unary gRPC call, hang up. Answers are checked like any peer's.
#include "xds/registration.h"

#include <fmt/format.h>

#include "control.pb.h"
#include "http/client.h"
#include "http/grpc.h"
#include "http/tls_stream.h"
#include "xds/resource_type.h"

namespace weft::xds {
namespace {

using Connection = std::unique_ptr<http::ClientConnection>;

constexpr std::string_view kAuthority = "weft-server";

Duration until(io::Loop& loop, Instant deadline) {
  Duration left = deadline - loop.now();
  return left > Duration::millis(1) ? left : Duration::millis(1);
}

Connection make_connection(io::Loop& loop, io::StreamPtr stream, http::ConnectionInfo info) {
  return http::connect_http(loop, std::move(stream), http::ClientProtocol::kHttp2, std::move(info),
                            {}, [] {});
}

io::Task<Result<Connection>> connect_socket(io::Loop& loop, io::Network& network, std::string path,
                                            Instant deadline) {
  auto stream = co_await network.connect_unix(path, until(loop, deadline));
  if (!stream) {
    co_return std::unexpected(
        std::move(stream.error()).context(fmt::format("reaching the server at {}", path)));
  }
  co_return make_connection(loop, std::move(*stream), {});
}

io::Task<Result<Connection>> connect_tls(io::Loop& loop, io::Network& network, SocketAddress server,
                                         trust::TlsContextPtr context, std::string trust_domain,
                                         Instant deadline) {
  auto expected = model::SpiffeId::for_server(trust_domain);
  if (!expected) co_return std::unexpected(expected.error());
  auto stream = co_await network.connect(server, until(loop, deadline));
  if (!stream) {
    co_return std::unexpected(std::move(stream.error()).context("reaching the server"));
  }
  auto tls = co_await http::tls_connect(loop, std::move(*stream), std::move(context), trust_domain,
                                        expected->uri(), until(loop, deadline));
  if (!tls) {
    co_return std::unexpected(
        std::move(tls.error())
            .context(fmt::format("TLS with the server at {}", server.to_string())));
  }
  co_return make_connection(loop, std::move(tls->stream), std::move(tls->info));
}

// The first address that answers; the last error when none does. Each gets its share of the time.
io::Task<Result<Connection>> connect_any(io::Loop& loop, io::Network& network,
                                         std::vector<SocketAddress> servers,
                                         trust::TlsContextPtr context, std::string trust_domain,
                                         Instant deadline) {
  Error last(ErrorKind::kInvalid, "no server address is known");
  for (size_t i = 0; i < servers.size(); ++i) {
    Duration share = until(loop, deadline) / static_cast<int64_t>(servers.size() - i);
    auto connection =
        co_await connect_tls(loop, network, servers[i], context, trust_domain, loop.now() + share);
    if (connection) co_return std::move(*connection);
    last = std::move(connection.error());
  }
  co_return std::unexpected(std::move(last));
}

io::Task<Result<Connection>> connect(io::Loop& loop, io::Network& network, ServerAccess access,
                                     Instant deadline) {
  if (!access.unix_path.empty()) {
    co_return co_await connect_socket(loop, network, access.unix_path, deadline);
  }
  if (!access.machine) co_return fail(ErrorKind::kInvalid, "no way to reach the server was given");
  trust::TlsClientConfig config;
  config.svid = access.machine->svid;
  config.bundle = access.machine->bundle;
  config.alpn = {"h2"};
  auto context = trust::make_client_context(config);
  if (!context) co_return std::unexpected(std::move(context.error()));
  co_return co_await connect_any(loop, network, access.machine->servers, *context,
                                 access.machine->bundle.trust_domain, deadline);
}

template <typename Response>
io::Task<Result<Response>> call(io::Loop& loop, http::ClientConnection& connection,
                                std::string_view path, std::string request, Instant deadline) {
  auto answer =
      co_await http::grpc_unary(loop, connection, std::string(path), std::string(kAuthority),
                                std::move(request), until(loop, deadline));
  if (!answer) co_return std::unexpected(std::move(answer.error()));
  Response response;
  if (!response.ParseFromString(*answer)) {
    co_return fail(ErrorKind::kProtocol, "the server's answer is malformed",
                   ErrorSource::kUpstream);
  }
  co_return response;
}

template <typename Message>
Result<std::shared_ptr<const trust::Svid>> svid_of(const Message& message, trust::PrivateKey key) {
  std::vector<std::string> chain(message.chain().begin(), message.chain().end());
  return trust::Svid::make(std::move(chain), std::move(key));
}

template <typename Message>
trust::TrustBundle bundle_of(const Message& message, std::string trust_domain) {
  return {std::move(trust_domain), {message.roots().begin(), message.roots().end()}};
}

v1::RegisterRequest to_message(const RegisterParams& params, std::string csr) {
  v1::RegisterRequest request;
  request.set_namespace_(params.ns);
  for (const auto& service : params.services) {
    auto* claim = request.add_services();
    claim->set_name(service.name);
    claim->set_port(service.port);
    claim->set_app_port(service.app_port);
    if (service.protocol != model::Protocol::kAuto) {
      claim->set_protocol(std::string(model::to_string(service.protocol)));
    }
  }
  for (const auto& [key, value] : params.labels) (*request.mutable_labels())[key] = value;
  request.set_csr(std::move(csr));
  if (params.advertise_ip) request.set_advertise_ip(params.advertise_ip->to_bytes());
  request.set_advertise_port(params.advertise_port);
  request.set_instance(params.instance);
  request.set_protocol_level(kProxyLevel);
  request.set_identity_name(params.identity_name);
  return request;
}

Result<Registered> to_registered(const v1::RegisterResponse& response, trust::PrivateKey key) {
  Registered out;
  out.instance = response.instance();
  auto svid = svid_of(response, std::move(key));
  if (!svid) return std::unexpected(std::move(svid.error()).context("the certificate received"));
  if ((*svid)->id().uri() != response.identity()) {
    return fail(ErrorKind::kProtocol, "the certificate received is for another identity");
  }
  out.svid = *svid;
  out.bundle = bundle_of(response, response.trust_domain());
  auto mesh4 = IpAddress::from_bytes(response.mesh4());
  auto mesh6 = IpAddress::from_bytes(response.mesh6());
  if (!mesh4 || !mesh6) return fail(ErrorKind::kProtocol, "the server gave no mesh address");
  out.mesh4 = *mesh4;
  out.mesh6 = *mesh6;
  out.mesh4_range = response.mesh4_range();
  out.mesh6_range = response.mesh6_range();
  for (const auto& text : response.discovery()) {
    auto address = SocketAddress::parse(text);
    if (address) out.discovery.push_back(*address);
  }
  if (out.discovery.empty())
    return fail(ErrorKind::kProtocol, "the server named no discovery address");
  auto ip = IpAddress::from_bytes(response.advertise_ip());
  if (!ip) return fail(ErrorKind::kProtocol, "the server did not say which address it advertises");
  out.advertise = {*ip, static_cast<uint16_t>(response.advertise_port())};
  return out;
}

}  // namespace

std::string MachineCredential::serialize() const {
  v1::MachineMemory message;
  message.set_key_pem(svid->key().to_pem());
  for (const auto& der : svid->chain_der()) message.add_chain(der);
  for (const auto& der : bundle.roots_der) message.add_roots(der);
  message.set_trust_domain(bundle.trust_domain);
  for (const auto& server : servers) message.add_servers(server.to_string());
  return message.SerializeAsString();
}

Result<MachineCredential> MachineCredential::parse(std::string_view bytes) {
  v1::MachineMemory message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return fail(ErrorKind::kInvalid, "the machine credential is damaged; join again with a token");
  }
  auto key = trust::PrivateKey::from_pem(message.key_pem());
  if (!key) return std::unexpected(std::move(key.error()).context("the machine credential"));
  auto svid = svid_of(message, std::move(*key));
  if (!svid) return std::unexpected(std::move(svid.error()).context("the machine credential"));
  MachineCredential out{*svid, bundle_of(message, message.trust_domain()), {}};
  for (const auto& text : message.servers()) {
    auto address = SocketAddress::parse(text);
    if (!address)
      return std::unexpected(std::move(address.error()).context("the machine credential"));
    out.servers.push_back(*address);
  }
  return out;
}

io::Task<Result<MachineCredential>> join(io::Loop& loop, io::Network& network, JoinToken token,
                                         std::string machine_name, Duration timeout) {
  Instant deadline = loop.now() + timeout;
  auto key = trust::PrivateKey::generate();
  if (!key) co_return std::unexpected(std::move(key.error()));
  // The server decides the machine's id; what the request names is only a wish.
  auto wish = model::SpiffeId::for_machine(token.trust_domain, "new");
  if (!wish) co_return std::unexpected(std::move(wish.error()));
  auto csr = key->make_csr(*wish);
  if (!csr) co_return std::unexpected(std::move(csr.error()));

  trust::TlsClientConfig config;
  config.bundle.trust_domain = token.trust_domain;
  config.alpn = {"h2"};
  config.root_spki_sha256 = token.root_spki_sha256;
  auto context = trust::make_client_context(config);
  if (!context) co_return std::unexpected(std::move(context.error()));
  auto connection =
      co_await connect_any(loop, network, token.servers, *context, token.trust_domain, deadline);
  if (!connection) co_return std::unexpected(std::move(connection.error()));

  v1::JoinRequest request;
  request.set_token_secret(base64url_encode(token.secret));
  request.set_machine_name(machine_name);
  request.set_csr(*csr);
  auto response = co_await call<v1::JoinResponse>(loop, **connection, kJoinPath,
                                                  request.SerializeAsString(), deadline);
  if (!response) co_return std::unexpected(std::move(response.error()).context("joining"));
  auto svid = svid_of(*response, std::move(*key));
  if (!svid) co_return std::unexpected(std::move(svid.error()).context("the certificate received"));
  co_return MachineCredential{*svid, bundle_of(*response, token.trust_domain), token.servers};
}

io::Task<Result<MachineCredential>> renew_machine(io::Loop& loop, io::Network& network,
                                                  MachineCredential credential, Duration timeout) {
  Instant deadline = loop.now() + timeout;
  auto key = trust::PrivateKey::generate();
  if (!key) co_return std::unexpected(std::move(key.error()));
  auto csr = key->make_csr(credential.svid->id());
  if (!csr) co_return std::unexpected(std::move(csr.error()));
  auto connection = co_await connect(loop, network, ServerAccess{{}, credential}, deadline);
  if (!connection) co_return std::unexpected(std::move(connection.error()));
  v1::RenewMachineRequest request;
  request.set_csr(*csr);
  auto response = co_await call<v1::JoinResponse>(loop, **connection, kRenewMachinePath,
                                                  request.SerializeAsString(), deadline);
  if (!response) {
    co_return std::unexpected(
        std::move(response.error()).context("renewing the machine credential"));
  }
  auto svid = svid_of(*response, std::move(*key));
  if (!svid) co_return std::unexpected(std::move(svid.error()).context("the certificate received"));
  co_return MachineCredential{*svid, bundle_of(*response, credential.bundle.trust_domain),
                              credential.servers};
}

io::Task<Result<Registered>> register_instance(io::Loop& loop, io::Network& network,
                                               ServerAccess access, trust::PrivateKey key,
                                               RegisterParams params, Duration timeout) {
  Instant deadline = loop.now() + timeout;
  // As with join: the server decides the identity, only the key in the request counts.
  auto wish = model::SpiffeId::for_workload("new", "new", "new");
  if (!wish) co_return std::unexpected(std::move(wish.error()));
  auto csr = key.make_csr(*wish);
  if (!csr) co_return std::unexpected(std::move(csr.error()));
  std::vector<SocketAddress> servers;
  const bool as_machine = access.unix_path.empty() && access.machine;
  if (as_machine) servers = access.machine->servers;
  auto connection = co_await connect(loop, network, std::move(access), deadline);
  if (!connection) co_return std::unexpected(std::move(connection.error()));
  auto response = co_await call<v1::RegisterResponse>(
      loop, **connection, kRegisterPath, to_message(params, std::move(*csr)).SerializeAsString(),
      deadline);
  if (!response) co_return std::unexpected(std::move(response.error()).context("registering"));
  // A machine reaches the server where it reached it so far.
  if (!servers.empty()) {
    response->clear_discovery();
    for (const auto& server : servers) response->add_discovery(server.to_string());
  }
  auto registered = to_registered(*response, std::move(key));
  if (registered) registered->as_machine = as_machine;
  co_return registered;
}

io::Task<Result<void>> leave(io::Loop& loop, io::Network& network, ServerAccess access,
                             std::string instance, Duration timeout) {
  Instant deadline = loop.now() + timeout;
  auto connection = co_await connect(loop, network, std::move(access), deadline);
  if (!connection) co_return std::unexpected(std::move(connection.error()));
  v1::LeaveRequest request;
  request.set_instance(instance);
  auto response = co_await call<v1::LeaveResponse>(loop, **connection, kLeavePath,
                                                   request.SerializeAsString(), deadline);
  if (!response) co_return std::unexpected(std::move(response.error()).context("leaving"));
  co_return Result<void>{};
}

}  // namespace weft::xds
