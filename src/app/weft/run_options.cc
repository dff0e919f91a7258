// Each option is a row of a table: its name, whether it takes a value, and the function that reads the
// value into the options. The readers return an error text, "" when all is well.
#include "app/weft/run_options.h"

#include <fmt/format.h>

#include <array>

#include "base/text.h"
#include "model/identity.h"

namespace weft::app {
namespace {

using Complaint = std::string;

Complaint read_service(std::string_view text, RunOptions& options) {
  constexpr std::string_view kForm = "expected NAME[:PORT[:APPPORT]][/http|h2c|grpc|tcp]";
  RunService service;
  if (auto parts = split_once(text, '/')) {
    auto protocol = model::parse_protocol(parts->second);
    if (!protocol)
      return fmt::format("--service {}: '{}' is no protocol: http, h2c, grpc or tcp", text,
                         parts->second);
    service.protocol = *protocol;
    text = parts->first;
  }
  const auto parts = split(text, ':');
  if (parts.size() > 3) return fmt::format("--service {}: {}", text, kForm);
  service.name = parts[0];
  if (!model::is_dns_label(service.name))
    return fmt::format(
        "--service {}: '{}' is no service name: 1 to 63 of a-z, 0-9 and '-' (the namespace "
        "goes into --namespace)",
        text, service.name);
  for (size_t i = 1; i < parts.size(); ++i) {
    auto port = parse_port(parts[i]);
    if (!port) return fmt::format("--service {}: '{}' is no port (1-65535)", text, parts[i]);
    (i == 1 ? service.port : service.app_port) = *port;
  }
  if (service.app_port == 0) service.app_port = service.port;
  options.services.push_back(std::move(service));
  return "";
}

Complaint read_namespace(std::string_view text, RunOptions& options) {
  if (!model::is_dns_label(text))
    return fmt::format("--namespace {}: not a name of a-z, 0-9 and '-'", text);
  options.ns = text;
  return "";
}

Complaint read_label(std::string_view text, RunOptions& options) {
  auto parts = split_once(text, '=');
  if (!parts || parts->first.empty()) return fmt::format("--label {}: expected KEY=VALUE", text);
  options.labels[std::string(parts->first)] = parts->second;
  return "";
}

// Where the instance is, as Kubernetes labels it.
Complaint read_zone(std::string_view text, RunOptions& options) {
  options.labels["topology.kubernetes.io/zone"] = text;
  return "";
}

Complaint read_region(std::string_view text, RunOptions& options) {
  options.labels["topology.kubernetes.io/region"] = text;
  return "";
}

Complaint read_host_port(std::string_view text, RunOptions& options) {
  auto port = parse_port(text);
  if (!port) return fmt::format("--host-port {}: not a port (1-65535)", text);
  options.host_ports.push_back(*port);
  return "";
}

// [ADDR:]PORT[:APPPORT][/proxy-protocol]; an IPv6 address stands in brackets.
Complaint read_publish(std::string_view whole, RunOptions& options) {
  const auto wrong = [&] {
    return fmt::format(
        "--publish {}: expected [ADDRESS:]PORT[:APPPORT][/proxy-protocol], an IPv6 address in "
        "brackets",
        whole);
  };
  RunPublish publish;
  std::string_view text = whole;
  if (auto parts = split_once(text, '/')) {
    if (parts->second != "proxy-protocol") return wrong();
    publish.proxy_protocol = true;
    text = parts->first;
  }
  std::string_view address = "127.0.0.1";
  if (text.starts_with('[')) {
    const size_t close = text.find("]:");
    if (close == std::string_view::npos) return wrong();
    address = text.substr(1, close - 1);
    text.remove_prefix(close + 2);
  } else if (auto parts = split_once(text, ':'); parts && !parse_u64(parts->first)) {
    address = parts->first;
    text = parts->second;
  }
  auto ip = IpAddress::parse(address);
  const auto ports = split(text, ':');
  if (!ip || ports.size() > 2) return wrong();
  publish.address = *ip;
  for (size_t i = 0; i < ports.size(); ++i) {
    auto port = parse_port(ports[i]);
    if (!port) return wrong();
    (i == 0 ? publish.port : publish.app_port) = *port;
  }
  options.publishes.push_back(publish);
  return "";
}

// [APPPORT:]tcp | [APPPORT:]http:PATH | [APPPORT:]grpc[:SERVICE]
Complaint read_probe(std::string_view whole, RunOptions& options) {
  RunProbe probe;
  std::string_view text = whole;
  if (auto parts = split_once(text, ':'); parts && parse_u64(parts->first)) {
    auto port = parse_port(parts->first);
    if (!port) return fmt::format("--probe {}: '{}' is no port (1-65535)", whole, parts->first);
    probe.app_port = *port;
    text = parts->second;
  }
  auto parts = split_once(text, ':');
  probe.kind = parts ? parts->first : text;
  if (parts) probe.path = parts->second;
  const bool good = (probe.kind == "tcp" && !parts) ||
                    (probe.kind == "http" && probe.path.starts_with('/')) || probe.kind == "grpc";
  if (!good)
    return fmt::format(
        "--probe {}: expected [APPPORT:]http:/PATH, [APPPORT:]grpc[:SERVICE] or [APPPORT:]tcp",
        whole);
  options.probes.push_back(std::move(probe));
  return "";
}

Complaint read_server(std::string_view text, RunOptions& options) {
  auto address = SocketAddress::parse(text);
  if (!address) {
    auto ip = IpAddress::parse(text);
    if (!ip) return fmt::format("--server {}: expected ADDRESS[:PORT], e.g. 192.0.2.10:7443", text);
    address = SocketAddress{*ip, kDefaultServerPort};
  }
  options.server = *address;
  return "";
}

Complaint read_token(std::string_view text, RunOptions& options) {
  options.token = text;
  return text.empty() ? "--token: empty" : "";
}

Complaint read_advertise(std::string_view text, RunOptions& options) {
  auto ip = IpAddress::parse(text);
  if (!ip) return fmt::format("--advertise {}: not an IP address", text);
  options.advertise = *ip;
  return "";
}

Complaint read_wait(std::string_view text, RunOptions& options) {
  auto span = parse_duration_ns(text);
  if (!span) return fmt::format("--wait {}: expected a time such as 30s or 2m", text);
  options.wait = Duration::nanos(*span);
  return "";
}

Complaint read_workers(std::string_view text, RunOptions& options) {
  auto number = parse_u64(text);
  if (!number || *number == 0 || *number > kMostWorkers)
    return fmt::format("--workers {}: expected a number from 1 to {}", text, kMostWorkers);
  options.workers = static_cast<uint32_t>(*number);
  return "";
}

// NAME[.NAMESPACE]:PORT[=LOCALPORT]
Complaint read_upstream(std::string_view whole, RunOptions& options) {
  RunUpstream upstream;
  std::string_view text = whole;
  std::string_view local;
  if (auto parts = split_once(text, '=')) std::tie(text, local) = *parts;
  auto parts = split_once(text, ':');
  auto port = parts ? parse_port(parts->second) : std::nullopt;
  auto local_port = local.empty() ? port : parse_port(local);
  if (!port || !local_port || !model::ServiceName::parse(parts->first))
    return fmt::format("--upstream {}: expected NAME:PORT[=LOCALPORT], e.g. cart:80=9080", whole);
  upstream.service = parts->first;
  upstream.port = *port;
  upstream.local_port = *local_port;
  options.upstreams.push_back(std::move(upstream));
  return "";
}

struct Row {
  std::string_view name;
  Complaint (*read)(std::string_view, RunOptions&);
};
constexpr Row kRows[] = {
    {"--service", read_service},     {"--namespace", read_namespace},
    {"--label", read_label},         {"--host-port", read_host_port},
    {"--publish", read_publish},     {"--probe", read_probe},
    {"--server", read_server},       {"--token", read_token},
    {"--advertise", read_advertise}, {"--wait", read_wait},
    {"--upstream", read_upstream},   {"--workers", read_workers},
    {"--zone", read_zone},           {"--region", read_region},
};

const Row* find_row(std::string_view name) {
  for (const Row& row : kRows)
    if (row.name == name) return &row;
  return nullptr;
}

Complaint unknown_option(std::string_view name) {
  std::vector<std::string_view> names{"--explicit", "--help"};
  for (const Row& row : kRows) names.push_back(row.name);
  auto near = nearest(name, names);
  return fmt::format("unknown option {}{}", name,
                     near ? fmt::format(" (did you mean {}?)", *near) : "");
}

// What only the whole command line can tell.
void check_together(RunOptions& options, std::vector<std::string>& complaints) {
  if (options.services.empty())
    complaints.emplace_back("--service NAME is missing: it says who the program is to the mesh");
  if (options.command.empty())
    complaints.emplace_back(
        "no command: put it after --, e.g. weft run --service web:80 -- ./server");
  if (!options.upstreams.empty() && !options.explicit_mode)
    complaints.emplace_back(
        "--upstream belongs to --explicit; without it every service is reached by its name");
  if (options.explicit_mode && !options.host_ports.empty())
    complaints.emplace_back(
        "--host-port makes no sense with --explicit: the program shares the host's loopback");
  uint16_t first_app_port = 0;
  for (const RunService& service : options.services)
    if (first_app_port == 0) first_app_port = service.app_port;
  for (RunPublish& publish : options.publishes)
    if (publish.app_port == 0) publish.app_port = first_app_port ? first_app_port : publish.port;
  for (RunProbe& probe : options.probes) {
    if (probe.app_port == 0) probe.app_port = first_app_port;
    if (probe.app_port == 0)
      complaints.emplace_back("--probe needs a port: --service NAME:PORT, or APPPORT: in front");
  }
}

}  // namespace

Result<RunOptions> parse_run_options(std::span<char* const> args) {
  RunOptions options;
  std::vector<std::string> complaints;
  size_t i = 0;
  for (; i < args.size(); ++i) {
    std::string_view name = args[i];
    if (name == "--") {
      ++i;
      break;
    }
    if (name == "--help" || name == "-h") {
      options.help = true;
      return options;
    }
    if (name == "--explicit") {
      options.explicit_mode = true;
      continue;
    }
    if (!name.starts_with('-')) break;  // the command, without the --
    std::optional<std::string_view> value;
    if (auto parts = split_once(name, '=')) {
      name = parts->first;
      value = parts->second;
    }
    const Row* row = find_row(name);
    if (!row) {
      complaints.push_back(unknown_option(name));
      continue;
    }
    if (!value) {
      if (i + 1 >= args.size()) {
        complaints.push_back(fmt::format("{} needs a value", name));
        continue;
      }
      value = args[++i];
    }
    if (Complaint complaint = row->read(*value, options); !complaint.empty())
      complaints.push_back(std::move(complaint));
  }
  for (; i < args.size(); ++i) options.command.emplace_back(args[i]);
  check_together(options, complaints);
  if (!complaints.empty()) return fail(ErrorKind::kInvalid, join(complaints, "\n"));
  return options;
}

}  // namespace weft::app
