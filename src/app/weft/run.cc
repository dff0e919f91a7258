// `weft run`: the list of steps from a command line to a served app. Each step's failure has its own exit
// status and says what to do. The process inside is forked first, while this process holds no secret and
// has not bothered the server; from keep() on the instance lives.
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "app/weft/machine_credential.h"
#include "app/weft/paths.h"
#include "app/weft/run_bootstrap.h"
#include "app/weft/run_instance.h"
#include "app/weft/run_keeper.h"
#include "app/weft/run_options.h"
#include "app/weft/run_registration.h"
#include "app/weft/run_sidecar.h"
#include "app/weft/run_state.h"
#include "app/weft/verbs.h"
#include "base/log.h"
#include "io/epoll_loop.h"
#include "io/real_disk.h"
#include "telemetry/rotating_file.h"

namespace weft::app {
namespace {

constexpr uint16_t kFirstInboundPort = 20000;
constexpr uint16_t kLastInboundPort = 20999;

int stop(int status, std::string_view why) {
  fmt::print(stderr, "weft run: {}\n", why);
  return status;
}

struct InboundListener {
  Fd socket;
  uint16_t port = 0;
};

// The first free port of the range, for both families where the host has IPv6.
Result<InboundListener> listen_inbound() {
  for (int port = kFirstInboundPort; port <= kLastInboundPort; ++port) {
    const int on = 1, off = 0;
    int family = AF_INET6;
    Fd socket(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket) {
      family = AF_INET;
      socket = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    }
    if (!socket) return std::unexpected(Error::from_errno(errno, "making the inbound listener"));
    ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (family == AF_INET6) ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    sockaddr_in6 six{};
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(static_cast<uint16_t>(port));
    sockaddr_in four{};
    four.sin_family = AF_INET;
    four.sin_port = six.sin6_port;
    const bool v6 = family == AF_INET6;
    const auto* address =
        v6 ? reinterpret_cast<sockaddr*>(&six) : reinterpret_cast<sockaddr*>(&four);
    if (::bind(socket.get(), address, v6 ? sizeof six : sizeof four) == 0 &&
        ::listen(socket.get(), 4096) == 0)
      return InboundListener{std::move(socket), static_cast<uint16_t>(port)};
    if (errno != EADDRINUSE && errno != EACCES)
      return std::unexpected(Error::from_errno(errno, "binding the inbound listener"));
  }
  return fail(ErrorKind::kLimit,
              fmt::format("all ports {}-{} of this host are taken: that is how many instances "
                          "one host can run",
                          kFirstInboundPort, kLastInboundPort));
}

// The keeper's own few lines, beside the sidecar's log. It writes when a sidecar dies, so a new file
// object a line is cheap enough.
void log_line(const std::string& directory, const std::string& text) {
  io::RealDisk disk;
  io::EpollLoop clock;
  telemetry::RotatingFile file(disk, clock, directory + "/keeper.log",
                               {.file_bytes = 1 << 20, .files = 2});
  file.write(to_rfc3339(clock.wall_now()) + " keeper: " + text + "\n");
}

int exit_status_of(const Error& error) {
  switch (error.kind()) {
    case ErrorKind::kUnavailable:
    case ErrorKind::kTimeout:
    case ErrorKind::kRefused: return kRunUnreachable;
    case ErrorKind::kInvalid: return kExitUsage;
    default: return kRunDenied;
  }
}

}  // namespace

int run_instance(const RunOptions& options, const capture::CallerSignals& signals) {
  auto proxy = find_sidecar_program();
  if (!proxy) return stop(kRunSidecarFailed, proxy.error().message());
  const Environment environment = read_environment();
  const RegistrationPlaces places{server_socket(environment), state_dir(environment)};
  auto instances = make_instances_dir(places.state_dir);
  if (!instances) return stop(kExitFailed, instances.error().message());

  ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  auto inside = capture::Inside::start({.isolated = !options.explicit_mode,
                                        .command = options.command,
                                        .signals = signals,
                                        .scratch = *instances});
  const std::string_view kOffer =
      "\n--explicit runs the program without namespaces (see weft run --help)";
  if (!inside) return stop(kRunNoNamespaces, inside.error().message() + std::string(kOffer));

  auto inbound = listen_inbound();
  if (!inbound) return stop(kExitFailed, inbound.error().message());
  auto key = trust::PrivateKey::generate();
  if (!key) return stop(kExitFailed, key.error().message());
  auto registered = register_with_server(options, places, *key, inbound->port);
  if (!registered) return stop(exit_status_of(registered.error()), registered.error().message());
  auto directory = make_instance_dir(*instances, registered->instance);
  if (!directory) return stop(kExitFailed, directory.error().message());
  auto memory = make_svid_memory(*registered);
  if (!memory) return stop(kExitFailed, memory.error().message());

  auto sockets = inside->configure(
      {.mesh4 = registered->mesh4, .mesh6 = registered->mesh6, .host_ports = options.host_ports});
  if (!sockets) return stop(kRunNoNamespaces, sockets.error().message() + std::string(kOffer));

  RunDoors doors = open_doors(options);
  KeeperConfig config;
  config.directory = directory->path;
  config.proxy_program = *proxy;
  config.proxy_output = directory->path + "/proxy.output";
  config.bootstrap = [&](bool restarted) {
    return make_bootstrap(options, *registered, doors, directory->path, restarted);
  };
  config.bootstrap_fds.push_back(std::move(*memory));
  config.bootstrap_fds.push_back(std::move(inbound->socket));
  for (Fd& socket : *sockets) config.bootstrap_fds.push_back(std::move(socket));
  for (auto* listeners : {&doors.publishes, &doors.upstreams}) {
    for (const Fd& listener : *listeners) {
      if (listener) config.bootstrap_fds.emplace_back(::fcntl(listener.get(), F_DUPFD_CLOEXEC, 0));
    }
  }
  config.environment = {"WEFT_INSTANCE=" + registered->instance};
  config.ready_within = options.wait;
  config.log = [&](const std::string& text) { log_line(directory->path, text); };
  CredentialKeeper credential(places.state_dir, config.log);
  if (registered->as_machine) config.chore = [&credential] { return credential.look(); };
  return keep(std::move(*inside), std::move(config));
}

int verb_run(std::span<char* const> args) {
  const capture::CallerSignals signals = capture::CallerSignals::capture();
  auto options = parse_run_options(args);
  if (!options) {
    stop(kExitUsage, options.error().message());
    fmt::print(stderr, "`weft run --help` is the manual\n");
    return kExitUsage;
  }
  if (options->help) {
    fmt::print("{}", run_help());
    return kExitOk;
  }
  return run_instance(*options, signals);
}

}  // namespace weft::app
