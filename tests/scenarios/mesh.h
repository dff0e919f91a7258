// Mesh: a control plane and any number of instances (app and sidecar) in one process on the simulated
// network, from one seed. The classes are the product's; only sockets, disks, clocks and randomness are
// simulated. Every instance has two nodes: NAME.app, whose connects are redirected as nftables does it,
// and NAME, where its sidecar runs on two loops.
// Whatever passes between sidecars is watched: plaintext there is counted in `plaintext_segments`.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "control/server.h"
#include "http/simple_client.h"
#include "proxy/sidecar.h"
#include "scenarios/mesh_app.h"
#include "sim/deterministic_crypto.h"
#include "sim/sqlite_vfs.h"
#include "sim/world.h"
#include "xds/registration.h"

namespace weft::scenarios {

struct ServiceSpec {
  std::string name;
  uint16_t port = 0;
  uint16_t app_port = 0;
  model::Protocol protocol = model::Protocol::kAuto;
  bool app_is_tcp = false;
};

struct InstanceSpec {
  std::string name;
  std::string ns = "default";
  std::vector<ServiceSpec> services;
  AppBehaviour behaviour;
  bool gateway = false;  // its sidecar speaks as a gateway, not as a part of the app
  // "edge": it serves this Gateway, at its node's address. Its name has to be the account's, gateway-edge.
  std::string serves = {};
  std::map<std::string, std::string> labels = {};
  bool listed = false;  // its sidecar sees the listeners of its SimApp, as the kernel shows them
};

struct Instance {
  InstanceSpec spec;
  AppBehaviour behaviour;
  AppRecord record;
  proxy::Usage usage;  // what its sidecar seems to use
  sim::Node* side = nullptr;
  sim::Node* app = nullptr;
  std::shared_ptr<const trust::Svid> svid;  // what the keeper's memory holds
  trust::TrustBundle bundle;
  xds::Registered registered;

  std::unique_ptr<SimApp> program;
  std::unique_ptr<proxy::AppSide> app_side;
  std::unique_ptr<proxy::WorkerSide> worker;
  std::unique_ptr<proxy::Sidecar> sidecar;
  std::vector<std::unique_ptr<io::Listener>> listeners;
  std::map<uint16_t, std::unique_ptr<io::Listener>> gateway_listeners;
};

struct CallResult {
  int status = 0;  // 0: no answer
  std::string body;
  std::string error;
};

class Mesh {
 public:
  explicit Mesh(uint64_t seed);
  ~Mesh();
  Mesh(const Mesh&) = delete;
  Mesh& operator=(const Mesh&) = delete;

  sim::World& world() { return world_; }
  control::Server* server() { return server_.get(); }
  void set_svid_life(Duration life) { svid_life_ = life; }
  void start_server();
  void kill_server();

  // Registers the instance and waits until its sidecar is ready and its ports are reported.
  Instance& add(InstanceSpec spec);
  Instance& instance(const std::string& name);
  std::vector<std::string> names() const;
  // SIGTERM: leaves, drains, ends.
  void stop(const std::string& name);
  // SIGKILL of everything of it.
  void kill(const std::string& name);
  void kill_sidecar(const std::string& name);
  void restart_sidecar(const std::string& name);
  void close_app(const std::string& name) { instance(name).program.reset(); }
  void open_app(const std::string& name);

  // The answer of the server's API on its socket.
  CallResult api(const std::string& method, const std::string& target, std::string body);
  // To `weft apply`.
  CallResult apply(const std::string& yaml);
  // The answer of the server's API to a GET.
  CallResult read(const std::string& target);
  CallResult call(const std::string& from, wire::RequestHead head, const std::string& host,
                  uint16_t port, std::string body = {}, Duration timeout = Duration::seconds(20));
  io::Task<CallResult> call_task(std::string from, wire::RequestHead head, std::string host,
                                 uint16_t port, std::string body, Duration timeout);
  // Connects, sends, and gives the first line that comes.
  CallResult converse(const std::string& from, const std::string& host, uint16_t port,
                      const std::string& send);
  // "240.240.0.1", or NXDOMAIN, SERVFAIL, EMPTY.
  io::Task<std::string> resolve(std::string from, std::string name);

  uint64_t plaintext_segments() const { return plaintext_segments_; }
  std::string log_text() const;

 private:
  io::Task<CallResult> converse_task(std::string from, std::string host, uint16_t port,
                                     std::string send);
  void start_program(Instance& instance);
  void start_sidecar(Instance& instance);
  void drop_sidecar(Instance& instance);
  static void open_gateway(Instance& instance, const std::set<uint16_t>& ports);
  void watch(const sim::Segment& segment);

  sim::DeterministicCrypto crypto_;
  MemorySink sink_;
  sim::World world_;
  sim::Node& server_node_;
  sim::SqliteVfs vfs_;
  Duration svid_life_ = trust::CertificateAuthority::kLeafLife;
  std::unique_ptr<control::Server> server_;
  std::optional<xds::MachineCredential> machine_;
  std::map<std::string, std::unique_ptr<Instance>> instances_;
  uint64_t plaintext_segments_ = 0;
};

}  // namespace weft::scenarios
