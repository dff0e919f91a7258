// The Gateway API's conformance tests as data (suites/gateway-api/cases.json), played on a mesh: a test's
// workloads each with a sidecar, its manifests applied, its requests made by real clients, what came to which
// workload written down. The gateway group needs a door for clients from outside: ServiceDoor replays it on a
// Service as parent; whoever has a Gateway makes another Door.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "http/server.h"
#include "scenarios/mesh.h"

namespace weft::scenarios {

// One request as it reached a workload.
struct Echoed {
  std::string workload, ns;
  wire::RequestHead head;
};

struct Workload {
  std::string name, ns, instance;  // the pod's template, and who runs it in the mesh
};

// What came back.
struct CaseAnswer {
  int status = 0;  // 0: no answer
  int grpc_status = -1;
  wire::Fields fields;
  std::string error;
  Duration elapsed;
};

struct PlayedRequest {
  CaseAnswer answer;
  std::vector<Echoed> reached;  // with the mark of this request
};

class EchoApp;

// How clients from outside the mesh come in.
class Door {
 public:
  virtual ~Door() = default;
  // Of the manifests' documents: what is applied in their place.
  virtual std::string adapt(const std::string& manifests) = 0;
  // Once the workloads run and the manifests are in force: starts what serves the clients.
  virtual void open(Mesh& mesh) = 0;
  // What {gateway_address} reads as.
  virtual std::string address() const = 0;
  // The parent that a route's status is looked for at: [kind, name].
  virtual std::pair<std::string, std::string> parent(const nlohmann::json& written) const = 0;
  // Where the client stands, and its connection to a port of the door.
  virtual sim::Node& client(Mesh& mesh) = 0;
  virtual io::Task<Result<io::StreamPtr>> connect(Mesh& mesh, uint16_t port) = 0;
};

// A Service `frontend` (port 80) beside the routes, called by an instance of its namespace.
class ServiceDoor final : public Door {
 public:
  std::string adapt(const std::string& manifests) override;
  void open(Mesh& mesh) override;
  std::string address() const override { return "frontend"; }
  std::pair<std::string, std::string> parent(const nlohmann::json&) const override {
    return {"Service", "frontend"};
  }
  sim::Node& client(Mesh& mesh) override;
  io::Task<Result<io::StreamPtr>> connect(Mesh& mesh, uint16_t port) override;
};

class CaseMesh {
 public:
  // `suite`: the folder of gateway-api. `door`: null for tests of the mesh group.
  CaseMesh(const std::string& suite, const nlohmann::json& test, Door* door);
  ~CaseMesh();

  // Not accepted manifests, in words; "" = all is well.
  const std::string& problem() const { return problem_; }
  Mesh& mesh() { return mesh_; }
  // Several at a time, as many as there are.
  std::vector<PlayedRequest> play(const nlohmann::json& client, const nlohmann::json& request,
                                  const nlohmann::json& response_headers, size_t times);
  // The condition's status and reason of a route at a parent: "True Accepted"; "" when there is none.
  std::string condition(const nlohmann::json& route, const nlohmann::json& parent,
                        const std::string& type);
  // {gateway_address} and {pod_ip:WORKLOAD} put in.
  std::string filled(std::string text);

 private:
  struct Base;
  void start(const Base& base, const std::string& manifests);
  io::Task<void> call(const nlohmann::json& client, const nlohmann::json& request, std::string mark,
                      CaseAnswer& answer);
  io::Task<Result<io::StreamPtr>> dial(const nlohmann::json& client, const std::string& to);
  std::string instance_of(const std::string& workload, const std::string& ns) const;

  Door* door_;
  std::string problem_;
  std::vector<Workload> workloads_;
  std::vector<Echoed> echoed_;
  std::vector<std::pair<std::string, std::string>> response_headers_;
  uint64_t marks_ = 0;
  Mesh mesh_;
  std::vector<std::unique_ptr<EchoApp>> apps_;  // before the mesh they live in
};

// What is not as the case expects: field of `expect`, and in words.
struct Difference {
  std::string field, what;
};
std::vector<Difference> differences(const nlohmann::json& expect, const PlayedRequest& played,
                                    CaseMesh& mesh);

}  // namespace weft::scenarios
