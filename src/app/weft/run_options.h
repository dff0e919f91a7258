// The command line of `weft run`, read once into plain values. All that is wrong is said at once.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip.h"
#include "base/result.h"
#include "base/time.h"
#include "model/service.h"

namespace weft::app {

// Exit statuses of `weft run` besides those of verbs.h; the app's own otherwise.
enum RunStatus : int {
  kRunUnreachable = 69,    // no server within --wait
  kRunSidecarFailed = 70,  // the sidecar cannot start
  kRunNoNamespaces = 71,   // the kernel grants no namespaces, or nft is missing
  kRunDenied = 77,         // the server refused the token, the machine or the service
  kRunCannotExecute = 126,
  kRunNotFound = 127,
};

struct RunService {
  std::string name;
  uint16_t port = 0;  // 0: only calls out
  uint16_t app_port = 0;
  model::Protocol protocol = model::Protocol::kAuto;
};
struct RunPublish {
  IpAddress address;
  uint16_t port = 0, app_port = 0;
  bool proxy_protocol = false;  // a load balancer says who the client is
};
struct RunUpstream {
  std::string service;  // "cart" or "cart.shop"
  uint16_t port = 0, local_port = 0;
};
struct RunProbe {
  uint16_t app_port = 0;
  std::string kind;  // tcp, http, grpc
  std::string path;
};

// `weft gateway`: the Gateway it serves, and where.
struct RunGateway {
  std::string name;
  IpAddress address = IpAddress::v6({});  // unspecified: every address of both families
  std::map<uint16_t, uint16_t> ports;     // of a listener → on the host
};

struct RunOptions {
  std::vector<RunService> services;
  std::string ns = "default";
  std::map<std::string, std::string> labels;
  std::vector<uint16_t> host_ports;
  std::vector<RunPublish> publishes;
  std::vector<RunProbe> probes;
  std::optional<SocketAddress> server;
  std::string token;
  std::optional<IpAddress> advertise;
  Duration wait = Duration::seconds(30);
  bool explicit_mode = false;
  std::vector<RunUpstream> upstreams;
  uint32_t workers = 0;  // 0: the sidecar chooses
  std::vector<std::string> command;
  std::optional<RunGateway> gateway;
  bool help = false;
};

constexpr uint16_t kDefaultServerPort = 7443;
constexpr uint32_t kMostWorkers = 64;  // of one sidecar

// One line for each thing that is wrong.
Result<RunOptions> parse_run_options(std::span<char* const> args);

// The manual page.
std::string_view run_help();

}  // namespace weft::app
