// Wiring, as the mains do it on real parts. Joining is by token over TLS, the same as on another machine:
// one machine credential serves all instances.
#include "scenarios/mesh.h"

#include "control.pb.h"

namespace weft::scenarios {
namespace {

constexpr uint16_t kServerPort = 7443;
constexpr uint16_t kInboundPort = 20000;
constexpr uint16_t kOutboundPort = 15001;
constexpr const char* kApiSocket = "/weft.sock";

std::string vfs_name() {
  static int number = 0;
  return "scenario-" + std::to_string(number++);
}

// Reaches the app at its node; it "really listens" on 127.0.0.1.
class SimAppSide final : public proxy::AppSide {
 public:
  SimAppSide(io::Network& network, const Instance& instance)
      : network_(network), instance_(instance) {}
  io::Task<Result<io::StreamPtr>> connect(SocketAddress to, std::optional<IpAddress>,
                                          Duration timeout) override {
    if (to.ip != IpAddress::v4(0x7f000001)) {
      co_return fail(ErrorKind::kRefused, "connection refused", ErrorSource::kUpstream,
                     Retry::kYes);
    }
    co_return co_await network_.connect({instance_.app->ip(), to.port}, timeout);
  }
  std::vector<IpAddress> listening(uint16_t port) override {
    if (!instance_.spec.listed || !instance_.program || !instance_.program->listens(port))
      return {};
    return {IpAddress::v4(0x7f000001)};
  }

 private:
  io::Network& network_;
  const Instance& instance_;
};

std::string registration_of(const InstanceSpec& spec, const xds::Registered& registered) {
  v1::RegisterRequest request;
  request.set_namespace_(spec.ns);
  for (const ServiceSpec& service : spec.services) {
    auto* claim = request.add_services();
    claim->set_name(service.name);
    claim->set_port(service.port);
    claim->set_app_port(service.app_port);
    if (service.protocol != model::Protocol::kAuto) {
      claim->set_protocol(std::string(model::to_string(service.protocol)));
    }
  }
  for (const auto& [key, value] : spec.labels) (*request.mutable_labels())[key] = value;
  request.set_instance(registered.instance);
  request.set_advertise_ip(registered.advertise.ip.to_bytes());
  request.set_advertise_port(registered.advertise.port);
  request.set_identity_name(std::string(registered.svid->id().workload_name()));
  return request.SerializeAsString();
}

}  // namespace

Mesh::Mesh(uint64_t seed)
    : crypto_(seed),
      world_(seed),
      server_node_(world_.node("server")),
      vfs_(server_node_.disk(), vfs_name()) {
  world_.observe([this](const sim::Segment& segment) { watch(segment); });
}

Mesh::~Mesh() {
  for (auto& [name, instance] : instances_) drop_sidecar(*instance);
  instances_.clear();
  server_.reset();
}

void Mesh::watch(const sim::Segment& segment) {
  auto local = [](std::string_view name) { return name.ends_with(".app"); };
  if (segment.from_host == segment.to_host || local(segment.from_host) || local(segment.to_host))
    return;
  for (std::string_view marker : {"HTTP/1.", "x-call", "spiffe://"}) {
    if (segment.bytes.find(marker) != std::string_view::npos) {
      ++plaintext_segments_;
      return;
    }
  }
}

void Mesh::start_server() {
  control::ServerOptions options;
  options.store = {"/weft.db", vfs_.name()};
  options.listen = {server_node_.ip(), kServerPort};
  options.socket_path = kApiSocket;
  options.advertised = {{server_node_.ip(), kServerPort}};
  options.advertised_by_user = true;
  options.allowed_uids = {0};
  options.peer_credentials = [](const io::Stream&) { return control::PeerCredentials{0, 1}; };
  options.svid_life = svid_life_;
  server_ = std::make_unique<control::Server>(
      server_node_.loop(), server_node_.network(), server_node_.random(),
      Log(sink_, server_node_.loop(), "server"), std::move(options));
  auto started = server_->start();
  if (!started) sink_.write(LogLevel::kError, "server: " + started.error().message());
  WEFT_ASSERT(started);
}

void Mesh::kill_server() {
  world_.crash(server_node_);
  server_.reset();
  world_.restart(server_node_);
}

Instance& Mesh::instance(const std::string& name) {
  auto found = instances_.find(name);
  WEFT_ASSERT(found != instances_.end());
  return *found->second;
}

std::vector<std::string> Mesh::names() const {
  std::vector<std::string> names;
  for (const auto& [name, instance] : instances_) names.push_back(name);
  return names;
}

Instance& Mesh::add(InstanceSpec spec) {
  if (!server_) start_server();
  auto made = std::make_unique<Instance>();
  Instance& instance = *made;
  instance.behaviour = spec.behaviour;
  instance.side = &world_.node(spec.name);
  instance.app = &world_.node(spec.name + ".app");
  io::Loop& loop = instance.side->loop();
  io::Network& network = instance.side->network();

  if (!machine_) {
    auto token = server_->create_token({});
    WEFT_ASSERT(token);
    auto parsed = xds::JoinToken::decode(token->token);
    WEFT_ASSERT(parsed);
    auto joined = world_.run(xds::join(loop, network, *parsed, "machine", Duration::seconds(10)));
    if (!joined) sink_.write(LogLevel::kError, "join: " + joined.error().message());
    WEFT_ASSERT(joined);
    machine_ = std::move(*joined);
  }
  xds::RegisterParams params;
  params.ns = spec.ns;
  for (const ServiceSpec& service : spec.services) {
    params.services.push_back({service.name, service.port, service.app_port, service.protocol});
  }
  params.labels = spec.labels;
  params.advertise_ip = instance.side->ip();
  params.advertise_port = kInboundPort;
  params.identity_name = spec.name;
  auto key = trust::PrivateKey::generate();
  WEFT_ASSERT(key);
  auto registered = world_.run(xds::register_instance(
      loop, network, {.unix_path = {}, .machine = machine_}, *key, params, Duration::seconds(10)));
  if (!registered) sink_.write(LogLevel::kError, "register: " + registered.error().message());
  WEFT_ASSERT(registered);
  instance.svid = registered->svid;
  instance.bundle = registered->bundle;
  instance.registered = std::move(*registered);
  instance.spec = std::move(spec);
  instance.app->redirect_connects({instance.side->ip(), kOutboundPort});
  instances_[instance.spec.name] = std::move(made);

  start_program(instance);
  start_sidecar(instance);
  bool ready = world_.run(instance.sidecar->wait_ready(Duration::seconds(10)));
  WEFT_ASSERT(ready);
  // Ports are looked at every 100 ms and reported at once.
  world_.run_for(Duration::millis(500));
  return instance;
}

void Mesh::start_program(Instance& instance) {
  std::vector<AppPort> ports;
  for (const ServiceSpec& service : instance.spec.services) {
    if (service.port == 0) continue;
    ports.push_back({service.app_port ? service.app_port : service.port, service.app_is_tcp});
  }
  instance.program =
      std::make_unique<SimApp>(*instance.app, instance.behaviour, instance.record, ports);
}

void Mesh::open_app(const std::string& name) { start_program(instance(name)); }

void Mesh::start_sidecar(Instance& instance) {
  sim::Node& node = *instance.side;
  sim::SimThread& thread = node.thread("worker");
  Log log(sink_, node.loop(), instance.spec.name);

  proxy::Sidecar::Options options;
  proxy::Self& self = options.self;
  self.instance = instance.registered.instance;
  self.identity = instance.svid->id();
  self.ns = instance.spec.ns;
  self.labels = instance.spec.labels;
  self.mesh4 = instance.registered.mesh4;
  self.mesh6 = instance.registered.mesh6;
  self.mesh4_range = instance.registered.mesh4_range;
  self.mesh6_range = instance.registered.mesh6_range;
  std::vector<proxy::PortProbe> probes;
  for (const ServiceSpec& service : instance.spec.services) {
    if (service.port == 0) continue;
    uint16_t app_port = service.app_port ? service.app_port : service.port;
    self.app_ports[app_port] = service.protocol;
    probes.push_back({.app_port = app_port});
  }
  options.trust_domain = instance.bundle.trust_domain;
  options.servers = instance.registered.discovery;
  options.registration = registration_of(instance.spec, instance.registered);
  options.state_dir = "/state";
  options.version = "scenario";
  if (!instance.spec.serves.empty()) options.gateway = {instance.spec.ns, instance.spec.serves};

  instance.app_side = std::make_unique<SimAppSide>(thread.network, instance);
  instance.worker = std::make_unique<proxy::WorkerSide>(
      thread.loop, thread.network, *instance.app_side, node.random(), self, log, nullptr,
      proxy::WorkerSide::Options{.probes = std::move(probes),
                                 .presence = instance.spec.gateway ? proxy::Presence::kGateway
                                                                   : proxy::Presence::kTransparent,
                                 .usage = [&instance] { return instance.usage; },
                                 .limits = {.memory = 1000, .descriptors = 0}});
  instance.sidecar = std::make_unique<proxy::Sidecar>(
      node.loop(), node.network(), node.random(), node.disk(),
      std::vector<proxy::Sidecar::WorkerRef>{{&thread.loop, instance.worker.get()}},
      std::move(options), instance.svid, instance.bundle,
      proxy::Sidecar::Hooks{
          .keep_svid =
              [&instance](const trust::Svid& renewed, const trust::TrustBundle& bundle) {
                auto copy = trust::Svid::make(renewed.chain_der(), renewed.key());
                WEFT_ASSERT(copy);
                instance.svid = *copy;
                instance.bundle = bundle;
              },
          .forward_dns = nullptr,
          .listen =
              [&instance](const std::set<uint16_t>& ports, const std::vector<IpAddress>&) {
                open_gateway(instance, ports);  // a node has one address
              }},
      log);
  auto started = instance.sidecar->start();
  WEFT_ASSERT(started);
  proxy::WorkerSide& worker = *instance.worker;
  auto outbound =
      thread.network.listen({node.ip(), kOutboundPort}, [&worker](io::StreamPtr client) {
        SocketAddress original = client->local();
        worker.outbound.accept(std::move(client), original);
      });
  auto inbound = thread.network.listen({node.ip(), kInboundPort}, [&worker](io::StreamPtr client) {
    worker.inbound.accept(std::move(client));
  });
  WEFT_ASSERT(outbound && inbound);
  instance.listeners.push_back(std::move(*outbound));
  instance.listeners.push_back(std::move(*inbound));
  worker.overload_watch.on_accepting([&instance](bool accept) {
    for (const auto& listener : instance.listeners) accept ? listener->resume() : listener->pause();
  });
}

// As the program does it, without a keeper.
void Mesh::open_gateway(Instance& instance, const std::set<uint16_t>& ports) {
  std::erase_if(instance.gateway_listeners,
                [&](const auto& entry) { return !ports.contains(entry.first); });
  sim::SimThread& thread = instance.side->thread("worker");
  for (const uint16_t port : ports) {
    if (instance.gateway_listeners.contains(port)) continue;
    auto made = thread.network.listen({instance.side->ip(), port},
                                      [&worker = *instance.worker, port](io::StreamPtr client) {
                                        worker.gateway.accept(std::move(client), port);
                                      });
    WEFT_ASSERT(made);
    instance.gateway_listeners[port] = std::move(*made);
  }
  instance.sidecar->listening({});
}

void Mesh::drop_sidecar(Instance& instance) {
  instance.listeners.clear();
  instance.gateway_listeners.clear();
  instance.sidecar.reset();
  instance.worker.reset();
  instance.app_side.reset();
}

void Mesh::stop(const std::string& name) {
  Instance& ended = instance(name);
  world_.run(ended.sidecar->drain(Duration::seconds(20)));
  ended.program.reset();
  world_.run_for(Duration::millis(50));
  drop_sidecar(ended);
}

void Mesh::kill_sidecar(const std::string& name) {
  Instance& killed = instance(name);
  world_.crash(*killed.side);
  drop_sidecar(killed);
  world_.restart(*killed.side);
}

void Mesh::restart_sidecar(const std::string& name) { start_sidecar(instance(name)); }

void Mesh::kill(const std::string& name) {
  Instance& killed = instance(name);
  world_.crash(*killed.app);
  killed.program.reset();
  kill_sidecar(name);
  world_.restart(*killed.app);
}

std::string Mesh::log_text() const {
  std::string text;
  for (const std::string& line : sink_.lines()) text += line + "\n";
  return text;
}

}  // namespace weft::scenarios
