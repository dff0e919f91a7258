// Wiring. Construction order is dependency order and is the order of State's members; start() reads
// as the list of what a control plane is. Connections are owned here and dropped when they say so;
// all else they touch is synchronous, so there is nothing to lock and little to cancel.
#include "control/server.h"

#include <algorithm>
#include <list>

#include <fmt/format.h>

#include "control/ca_service.h"
#include "control/control_service.h"
#include "control/discovery.h"
#include "control/edges_view.h"
#include "control/explaining.h"
#include "control/join_service.h"
#include "control/object_catalog.h"
#include "control/registry.h"
#include "control/server_status.h"
#include "http/tls_stream.h"
#include "io/event.h"
#include "trust/rotation.h"

namespace weft::control {
namespace {

constexpr Duration kHandshakeTimeout = Duration::seconds(10);
constexpr Duration kLeaseCheck = Duration::seconds(1);
constexpr size_t kConnections = 20'000;
constexpr size_t kHandshakes = 1'000;  // at once; more are turned away before they cost anything

bool is_grpc(const http::ServerStream& stream) {
  auto type = stream.request().fields.get("content-type");
  return type && type->starts_with("application/grpc");
}

io::Task<void> refuse(http::ServerStreamPtr stream) {
  wire::ResponseHead head;
  head.status = 415;
  stream->send_response(head, true);
  co_return;
}

}  // namespace

struct Server::State {
  State(io::Loop& loop, io::Network& network, Random& random, Log log, ServerOptions options)
      : loop(loop),
        network(network),
        random(random),
        log(std::move(log)),
        options(std::move(options)),
        discovery(loop, compiler),
        questions(loop),
        condition_times(loop),
        rotation(random),
        connections_gone(loop),
        lease_timer(loop, [this] { end_leases(); }),
        rotation_timer(loop, [this] { rotate(); }) {}

  // --- what it stands on ---
  io::Loop& loop;
  io::Network& network;
  Random& random;
  Log log;
  ServerOptions options;
  WallTime started{};
  bool made_trust_domain = false;

  // --- state, in order of dependency ---
  std::unique_ptr<Store> store;
  std::optional<CaService> ca;
  Compiler compiler;
  std::unique_ptr<ObjectCatalog> catalog;
  std::unique_ptr<Registry> registry;
  EdgesView edges;
  std::unique_ptr<JoinService> joining;
  Discovery discovery;
  Questions questions;
  std::unique_ptr<Explaining> explaining;
  std::unique_ptr<ControlService> service;
  ConditionTimes condition_times;
  ControlPlane plane;
  http::Handler api, status_page;

  // --- its own certificate ---
  trust::Rotation rotation;
  std::shared_ptr<const trust::Svid> svid;
  trust::TlsContextPtr tls;

  // --- the network; destroyed first ---
  struct Connection {
    std::unique_ptr<http::ServerConnection> http;
    std::unique_ptr<io::Timer> expiry;
  };
  io::Event connections_gone;
  std::list<Connection> connections;
  io::TaskScope handshakes;
  io::Timer lease_timer, rotation_timer;
  std::unique_ptr<io::Listener> tls_listener, socket_listener, status_listener;
  SocketAddress tls_address;

  Result<void> open_store();
  Result<void> load();
  Result<void> renew_svid();
  Result<void> listen();
  void make_services();
  void make_plane();

  void end_leases();
  void rotate();
  void publish_instances(const Registry::Changed& ids);

  io::Task<void> accept_tls(io::StreamPtr stream);
  void serve(io::StreamPtr stream, http::ServerProtocol protocol, http::ConnectionInfo info,
             http::Handler handler, std::optional<Duration> lifetime);
  io::Task<void> route_socket(http::ServerStreamPtr stream);
  StatusSources sources() const {
    return {loop, *ca, *registry, compiler, edges, discovery, svid.get()};
  }
};

// --- start ---

Result<void> Server::State::open_store() {
  auto opened = Store::open(options.store);
  if (!opened) return std::unexpected(std::move(opened.error()));
  store = std::move(*opened);
  auto known = store->meta("trust_domain");
  if (!known) return std::unexpected(std::move(known.error()));
  made_trust_domain = !known->has_value();
  auto authority = CaService::open(*store, random, options.trust_domain, loop.wall_now());
  if (!authority) return std::unexpected(std::move(authority.error()));
  ca.emplace(std::move(*authority));
  return {};
}

void Server::State::make_services() {
  const AddressPool& addresses = ca->addresses();
  VirtualRanges ranges{[&addresses](uint32_t n) { return addresses.virtual4(n); },
                       [&addresses](uint32_t n) { return addresses.virtual6(n); }};
  compiler.set_trust_domain(ca->trust_domain());
  catalog = std::make_unique<ObjectCatalog>(*store, compiler, loop, random, std::move(ranges));
  registry = std::make_unique<Registry>(*store, loop, random, addresses, ca->trust_domain());
  discovery.on_hung_up([this](const std::string& instance, const std::string& peer) {
    auto id = model::SpiffeId::parse(peer);
    if (id && registry->hung_up(instance, *id)) publish_instances({instance});
  });
  catalog->on_publish([this](const Affected& services, uint64_t) { discovery.publish(services); });
}

Result<void> Server::State::load() {
  if (auto ok = registry->load(); !ok) return ok;
  if (options.advertised_by_user && !options.advertised.empty()) {
    registry->set_host_ip(options.advertised.front().ip);
  }
  for (const auto& [id, record] : registry->all()) compiler.put_instance(record.instance);
  if (auto ok = catalog->load(); !ok) return ok;
  Affected all = compiler.services();
  discovery.publish(all);
  for (const auto& [id, record] : registry->all()) discovery.publish_instance(id);
  return {};
}

Result<void> Server::State::renew_svid() {
  auto id = model::SpiffeId::for_server(ca->trust_domain());
  if (!id) return std::unexpected(id.error());
  auto issued = ca->authority().issue(*id, loop.wall_now());
  if (!issued) return std::unexpected(std::move(issued.error()));
  trust::TlsServerConfig config;
  config.svid = *issued;
  config.bundle = ca->authority().bundle();
  config.client_auth = trust::ClientAuth::kOptionalClient;
  config.alpn = {"h2"};
  auto context = trust::make_server_context(config);
  if (!context) return std::unexpected(std::move(context.error()));
  svid = std::move(*issued);
  tls = std::move(*context);
  rotation.installed(svid->not_before(), svid->not_after());
  return {};
}

Result<void> Server::State::listen() {
  auto tls_bound = network.listen(options.listen, [this](io::StreamPtr stream) {
    handshakes.spawn(accept_tls(std::move(stream)));
  });
  if (!tls_bound) {
    return std::unexpected(
        std::move(tls_bound.error())
            .context(fmt::format("listening on {} (--listen)", options.listen.to_string())));
  }
  tls_listener = std::move(*tls_bound);
  tls_address = tls_listener->address();
  if (!options.socket_path.empty()) {
    auto bound = network.listen_unix(options.socket_path, [this](io::StreamPtr stream) {
      http::ConnectionInfo info;
      PeerCredentials peer =
          options.peer_credentials ? options.peer_credentials(*stream) : PeerCredentials{};
      info.peer_uid = peer.uid;
      info.peer_pid = peer.pid;
      serve(
          std::move(stream), http::ServerProtocol::kDetect, std::move(info),
          [this](http::ServerStreamPtr s) { return route_socket(std::move(s)); }, std::nullopt);
    });
    if (!bound) {
      return std::unexpected(
          std::move(bound.error()).context(fmt::format("listening on {}", options.socket_path)));
    }
    socket_listener = std::move(*bound);
  }
  if (options.status) {
    auto bound = network.listen(*options.status, [this](io::StreamPtr stream) {
      http::ConnectionInfo info;
      info.peer = stream->peer();
      info.local = stream->local();
      serve(
          std::move(stream), http::ServerProtocol::kHttp1, std::move(info),
          [this](http::ServerStreamPtr s) { return status_page(std::move(s)); }, std::nullopt);
    });
    if (!bound) {
      return std::unexpected(
          std::move(bound.error())
              .context(fmt::format("listening on {} (--status)", options.status->to_string())));
    }
    status_listener = std::move(*bound);
  }
  return {};
}

void Server::State::make_plane() {
  for (auto& address : options.advertised) {
    if (address.port == 0) address.port = tls_address.port;
  }
  joining = std::make_unique<JoinService>(*store, *ca, loop, random, options.advertised,
                                          options.machine_life);
  plane.catalog = catalog.get();
  plane.store = store.get();
  plane.condition_times = &condition_times;
  plane.status = [this] {
    StatusView view = make_status(sources());
    view.version = options.version;
    view.started = started;
    view.discovery = options.advertised.empty() ? tls_address.to_string()
                                                : options.advertised.front().to_string();
    if (status_listener)
      view.status_page = fmt::format("http://{}/", status_listener->address().to_string());
    return view;
  };
  plane.served = [this](const Carriers& carriers) { return discovery.served(carriers); };
  plane.create_token = [this](const TokenRequest& request) {
    return joining->create_token(request);
  };
  plane.metrics = [this] { return make_metrics(sources()); };
  plane.remove_workload = [this](const std::string& ns, const std::string& id) -> Result<void> {
    const InstanceRecord* record = registry->find(id);
    if (record == nullptr || record->instance.ns != ns) {
      return fail(ErrorKind::kNotFound, fmt::format("there is no workload {} in {}", id, ns));
    }
    if (auto ok = registry->remove(id); !ok) return ok;
    publish_instances({id});
    return {};
  };
  explaining = std::make_unique<Explaining>(questions, *registry, compiler, discovery);
  plane.explain = [this](std::string body) { return explaining->explain(std::move(body)); };
  plane.audit = [this](std::string_view action, const std::string& object, int uid) {
    log.info("changed by hand", {{"action", action}, {"object", object}, {"uid", uid}});
  };
  api = make_api_handler(plane, ApiOptions{options.allowed_uids});
  status_page = make_status_page_handler(plane);

  ControlService::Parts parts;
  parts.clock = &loop;
  parts.ca = &*ca;
  parts.joining = joining.get();
  parts.registry = registry.get();
  parts.edges = &edges;
  parts.discovery = &discovery;
  parts.questions = &questions;
  parts.changed = [this](const Registry::Changed& ids) { publish_instances(ids); };
  bool any = tls_address.ip.is_unspecified();
  parts.local_discovery =
      any ? SocketAddress{IpAddress::v4(0x7f000001), tls_address.port} : tls_address;
  parts.allowed_uids = options.allowed_uids;
  parts.fixed_host_ip = options.advertised_by_user;
  parts.svid_life = options.svid_life;
  service = std::make_unique<ControlService>(std::move(parts));
}

// --- life ---

void Server::State::publish_instances(const Registry::Changed& ids) {
  Affected affected;
  for (const auto& id : ids) {
    const InstanceRecord* record = registry->find(id);
    affected.merge(record != nullptr ? compiler.put_instance(record->instance)
                                     : compiler.remove_instance(id));
  }
  auto settled = catalog->settle();
  if (settled) {
    affected.merge(*settled);
  } else {
    log.error("addresses could not be stored", {{"error", settled.error().message()}});
  }
  discovery.publish(affected);
  for (const auto& id : ids) {
    discovery.publish_instance(id);
    const InstanceRecord* record = registry->find(id);
    auto state = record != nullptr ? registry->state_of(*record) : Registry::State{"gone", ""};
    log.info("instance", {{"id", id}, {"state", state.state}, {"why", state.why}});
  }
}

void Server::State::end_leases() {
  lease_timer.arm(kLeaseCheck);
  auto changed =
      registry->expire([this](const std::string& id) { return compiler.services_of(id); });
  if (!changed.empty()) publish_instances(changed);
}

void Server::State::rotate() {
  WallTime now = loop.wall_now();
  if (auto renewed = ca->maintain(now); !renewed) {
    log.error("the intermediate certificate could not be renewed",
              {{"error", renewed.error().message()}});
  } else if (*renewed) {
    log.info("the intermediate certificate was renewed");
  }
  if (rotation.due(now)) {
    if (auto ok = renew_svid(); !ok) {
      rotation.failed(now);
      log.error("the server's certificate could not be renewed", {{"error", ok.error().message()}});
    }
  }
  rotation_timer.arm(std::max(rotation.wait(now), Duration::seconds(1)));
}

io::Task<void> Server::State::accept_tls(io::StreamPtr stream) {
  SocketAddress peer = stream->peer();
  if (connections.size() >= kConnections || handshakes.running() > kHandshakes) co_return;
  auto accepted = co_await http::tls_accept(loop, std::move(stream), tls, kHandshakeTimeout);
  if (!accepted) {
    log.info("a TLS client was turned away",
             {{"peer", peer.to_string()}, {"why", accepted.error().message()}});
    co_return;
  }
  // A connection does not outlive the certificate it was opened with.
  std::optional<Duration> lifetime;
  if (!accepted->info.peer_spiffe_id.empty()) lifetime = accepted->peer_not_after - loop.wall_now();
  serve(
      std::move(accepted->stream), http::ServerProtocol::kHttp2, std::move(accepted->info),
      [this](http::ServerStreamPtr s) {
        return is_grpc(*s) ? service->handle(std::move(s)) : refuse(std::move(s));
      },
      lifetime);
}

io::Task<void> Server::State::route_socket(http::ServerStreamPtr stream) {
  return is_grpc(*stream) ? service->handle(std::move(stream)) : api(std::move(stream));
}

void Server::State::serve(io::StreamPtr stream, http::ServerProtocol protocol,
                          http::ConnectionInfo info, http::Handler handler,
                          std::optional<Duration> lifetime) {
  auto it = connections.emplace(connections.end());
  it->http = http::serve(loop, std::move(stream), protocol, std::move(info), http::ServerLimits{},
                         std::move(handler), [this, it] {
                           connections.erase(it);
                           if (connections.empty()) connections_gone.pulse();
                         });
  if (lifetime) {
    it->expiry = std::make_unique<io::Timer>(loop, [this, it] {
      connections.erase(it);
      if (connections.empty()) connections_gone.pulse();
    });
    it->expiry->arm(*lifetime);
  }
}

// --- the object ---

Server::Server(io::Loop& loop, io::Network& network, Random& random, Log log, ServerOptions options)
    : state_(std::make_unique<State>(loop, network, random, std::move(log), std::move(options))) {}
Server::~Server() = default;

Result<void> Server::start() {
  State& s = *state_;
  s.started = s.loop.wall_now();
  if (auto ok = s.open_store(); !ok) return ok;
  s.make_services();
  if (auto ok = s.load(); !ok) return ok;
  if (auto ok = s.renew_svid(); !ok) return ok;
  // Accepting begins with the next turn of the loop: what serves is made in this one.
  if (auto ok = s.listen(); !ok) return ok;
  s.make_plane();
  s.end_leases();
  s.rotate();
  s.log.info("started", {{"trust-domain", s.ca->trust_domain()},
                         {"listen", s.tls_address.to_string()},
                         {"instances", s.registry->all().size()}});
  return {};
}

io::Task<void> Server::stop(Duration patience) {
  State& s = *state_;
  s.tls_listener.reset();
  s.socket_listener.reset();
  s.status_listener.reset();
  s.handshakes.cancel_all();
  s.discovery.close();
  s.questions.close();
  for (auto& connection : s.connections) connection.http->drain();
  if (!s.connections.empty()) co_await s.connections_gone.wait_for(patience);
  s.connections.clear();
  s.log.info("stopped");
}

const std::string& Server::trust_domain() const { return state_->ca->trust_domain(); }
bool Server::made_trust_domain() const { return state_->made_trust_domain; }
SocketAddress Server::listening() const { return state_->tls_address; }
Result<NewToken> Server::create_token(const TokenRequest& request) {
  return state_->joining->create_token(request);
}
StatusView Server::status() const { return state_->plane.status(); }
Served Server::served(const model::ServiceName& service) const {
  return state_->discovery.served({{service, ""}});
}
ControlPlane& Server::plane() { return state_->plane; }

}  // namespace weft::control
