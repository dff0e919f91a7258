// What both verbs have is read by `weft run`'s own reader, so that an option means the same in both.
#include "app/weft/gateway_options.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "model/gateway.h"

namespace weft::app {
namespace {

constexpr std::string_view kShared[] = {"--namespace", "--label", "--server", "--token",
                                        "--advertise", "--wait",  "--workers"};
constexpr std::string_view kOwn[] = {"--address", "--port", "--help"};

std::string read_address(std::string_view text, RunGateway& gateway) {
  auto ip = IpAddress::parse(text);
  if (!ip) return fmt::format("--address {}: not an IP address", text);
  gateway.address = *ip;
  return "";
}

// LISTENER=LOCAL
std::string read_port(std::string_view text, RunGateway& gateway) {
  const auto parts = split_once(text, '=');
  const auto listener = parts ? parse_port(parts->first) : std::nullopt;
  const auto local = parts ? parse_port(parts->second) : std::nullopt;
  if (!listener || !local)
    return fmt::format("--port {}: expected LISTENERPORT=LOCALPORT, e.g. 443=8443", text);
  gateway.ports[*listener] = *local;
  return "";
}

std::string unknown(std::string_view name) {
  std::vector<std::string_view> names(std::begin(kShared), std::end(kShared));
  names.insert(names.end(), std::begin(kOwn), std::end(kOwn));
  const auto near = nearest(name, names);
  return fmt::format("unknown option {}{}", name,
                     near ? fmt::format(" (did you mean {}?)", *near) : "");
}

}  // namespace

Result<RunOptions> parse_gateway_options(std::span<char* const> args, const std::string& self) {
  RunGateway gateway;
  std::vector<std::string> complaints;
  std::vector<std::string> shared;
  for (size_t i = 0; i < args.size(); ++i) {
    std::string_view name = args[i];
    if (name == "--help" || name == "-h") return RunOptions{.help = true};
    if (!name.starts_with('-')) {
      if (!gateway.name.empty())
        complaints.push_back(fmt::format("{}: one Gateway is served", name));
      gateway.name = name;
      continue;
    }
    std::string value;
    const auto parts = split_once(name, '=');
    if (parts) {
      name = parts->first;
      value = parts->second;
    }
    const bool common = std::ranges::find(kShared, name) != std::end(kShared);
    if (!common && name != "--address" && name != "--port") {
      complaints.push_back(unknown(name));
      continue;
    }
    if (!parts && i + 1 >= args.size()) {
      complaints.push_back(fmt::format("{} needs a value", name));
      continue;
    }
    if (!parts) value = args[++i];
    std::string complaint;
    if (common) {
      shared.insert(shared.end(), {std::string(name), value});
    } else {
      complaint = name == "--address" ? read_address(value, gateway) : read_port(value, gateway);
    }
    if (!complaint.empty()) complaints.push_back(std::move(complaint));
  }
  if (gateway.name.empty()) {
    complaints.emplace_back("which Gateway? weft gateway NAME");
  } else if (!model::is_dns_label(gateway.name) ||
             gateway.name.size() > model::kLongestGatewayName) {
    complaints.push_back(
        fmt::format("{}: a Gateway that can be served has a name of 1 to {} of a-z, "
                    "0-9 and '-'",
                    gateway.name, model::kLongestGatewayName));
  } else {
    shared.insert(shared.end(), {"--service", model::gateway_account(gateway.name)});
  }
  shared.insert(shared.end(), {"--explicit", "--", self, "hold"});
  std::vector<char*> pointers;
  for (std::string& one : shared) pointers.push_back(one.data());
  if (complaints.empty()) {
    auto options = parse_run_options(pointers);
    if (!options) return options;
    if (!options->advertise && !gateway.address.is_unspecified() && !gateway.address.is_loopback())
      options->advertise = gateway.address;
    options->gateway = std::move(gateway);
    return options;
  }
  return fail(ErrorKind::kInvalid, join(complaints, "\n"));
}

std::string_view gateway_help() {
  return R"(weft gateway - serve a Gateway on this host

  weft gateway NAME [OPTION...]

Opens the listeners of the Gateway NAME (gateway.networking.k8s.io/v1, class weft) and carries what comes
to the services of the mesh, as its routes say. Listeners, certificates and routes follow the objects
while it runs; nothing that is open is cut. The Gateway may be applied before or after. Any number of
hosts may serve one Gateway: put a load balancer or several DNS records before them.

WHICH
  --namespace NAMESPACE      of the Gateway; default: default
  --label KEY=VALUE          of this instance (repeat)

WHERE
  --address ADDRESS          listen on this address only, whatever the Gateway's spec.addresses say (clients
                             may reach it under another). Default: those addresses, else all
  --port LISTENERPORT=LOCALPORT
      The listener of this port is opened at LOCALPORT of the host (repeat). Ports below 1024 need root
      or CAP_NET_BIND_SERVICE: --port 80=8080 --port 443=8443 need neither. What clients and redirects
      name is the listener's port: something before it has to lead there.

THE SIDECAR AND THE SERVER
  --workers NUMBER           threads that carry requests, 1 to 64. Default: one for each CPU that may be
                             used, 4 at most
  --server, --token, --advertise, --wait
      as with weft run (weft run --help)

SIGNALS
  SIGTERM and SIGINT         accepts no more, finishes what is in hand (15 s at most), ends

`weft upgrade` replaces its proxy: the listeners stay open. `weft get gateway NAME -o yaml` shows listeners,
addresses and conditions.

EXIT STATUS
  0 ended by a signal, else as weft run

EXAMPLES
  weft gateway edge
  weft gateway edge --namespace shop --port 80=8080 --port 443=8443
  weft gateway edge --address 192.0.2.10 --server 192.0.2.1 --token weft1....
)";
}

}  // namespace weft::app
