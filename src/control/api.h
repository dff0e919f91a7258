// The JSON API on the server's Unix socket, and the values the rest of the server fills for it.
//
//   POST   /v1/apply[?dry-run=true]          {"files": [{"file": NAME, "text": YAML}, …]}
//                                            200 {"objects":[{kind,namespace,name,action}],
//                                            "warnings":[…],"version"}, 422 {"errors":[…]}
//   GET    /v1/objects[/KIND[/NS[/NAME]]]    {"items":[…]} or one object, status included
//   DELETE /v1/objects/KIND/NS/NAME
//   GET    /v1/status                        everything StatusView holds
//   GET    /v1/workloads                     {"items":[…]}
//   DELETE /v1/workloads/NS/ID               one that is stale; 409 while its sidecar is heard
//   GET    /v1/tokens   POST /v1/tokens {"namespace","service","ttl_seconds"}   DELETE /v1/tokens/ID
//   POST   /v1/explain                       explaining.h
//   GET    /metrics                          Prometheus text
// Failures: {"error": text} with 400, 403, 404, 409, 422, 500, 503, 504 or 507.
//
// Who may call: peers whose uid (SO_PEERCRED) is root's, the server's own, or allowed by name.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "base/ip.h"
#include "base/time.h"
#include "control/condition_times.h"
#include "control/object_catalog.h"
#include "control/yaml.h"
#include "http/server.h"

namespace weft::control {

struct InstanceStatus {
  std::string id, ns, identity;
  std::string machine;  // "" = the server's host
  std::string address;  // where its sidecar accepts mTLS
  std::string sidecar_version;
  std::string mesh4, mesh6;
  Labels labels;
  std::vector<std::string> services;  // "cart.default:80"
  std::string state;                  // serving, not ready, leaving, stale
  std::string why;                    // in words; "" when serving
  WallTime registered{};
  WallTime svid_expires{};
  Duration silent_for{};               // since its last report
  uint32_t stale_tcp_connections = 0;  // opaque connections older than their certificate
  std::vector<std::string> notes;      // refused loopback ports and the like
};

// One direction of calls, over the last minute, as the caller's sidecar saw it where that reports.
struct EdgeStatus {
  std::string source, destination;  // SPIFFE IDs; destination may be "external"
  std::string service;              // name dialled
  uint32_t port = 0;
  std::string protocol;  // http, grpc, tcp
  bool mtls = false;
  double requests_per_second = 0;
  double success_ratio = 1;  // of the same minute
  Duration p50{}, p99{};
  uint64_t requests = 0, errors = 0, retries = 0, connections = 0;  // since the server started
};

struct CertificateStatus {
  std::string what;  // "root", "intermediate", "server"
  WallTime not_before{}, not_after{};
  std::string note;
};

// What the server knows at one moment, by value.
struct StatusView {
  std::string version;  // of Weft
  std::string trust_domain;
  WallTime now{};
  WallTime started{};
  std::string discovery;    // ADDRESS:PORT that listens on the network
  std::string status_page;  // its URL
  uint32_t proxies = 0;     // connected now
  std::vector<InstanceStatus> instances;
  std::vector<EdgeStatus> edges;
  std::vector<CertificateStatus> certificates;
  std::vector<std::string> warnings;  // what a human should look at first
};

struct TokenRequest {
  std::string ns, service;  // "" = any
  Duration ttl = Duration::hours(1);
};
struct NewToken {
  std::string id, token;
  WallTime expires{};
  std::string join_line;  // what to paste on the other machine
};

// The rest of the server, as the API sees it. All functions are called on the server's loop and must
// be set.
struct ControlPlane {
  ObjectCatalog* catalog = nullptr;
  Store* store = nullptr;
  ConditionTimes* condition_times = nullptr;
  std::function<StatusView()> status;
  // How many proxies that use any of these hold the present version of all they use.
  std::function<Served(const Carriers&)> served;
  std::function<Result<NewToken>(const TokenRequest&)> create_token;
  std::function<std::string()> metrics;  // Prometheus text
  // Takes a stale instance out of the registry.
  std::function<Result<void>(const std::string& ns, const std::string& id)> remove_workload;
  // What a running sidecar would do: explaining.h.
  std::function<io::Task<Result<Node>>(std::string body)> explain;
  // Told of every change that was made: {"deleted", "HTTPRoute/default/split", uid of who asked}.
  std::function<void(std::string_view action, const std::string& object, int uid)> audit;
};

struct ApiOptions {
  std::set<int> allowed_uids;  // root and the server's own uid among them
};

// `plane` outlives the handler.
http::Handler make_api_handler(const ControlPlane& plane, ApiOptions options);
// Read-only, for a loopback port: GET / (the status page) and GET /metrics. Refuses requests whose Host is not a loopback name or
// address, so that a page elsewhere cannot read it by DNS rebinding.
http::Handler make_status_page_handler(const ControlPlane& plane);

}  // namespace weft::control
