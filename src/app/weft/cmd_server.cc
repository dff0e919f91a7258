// Phases: arguments, directories and the lock (after which this process owns the state), the loop
// with everything on it, the greeting, and the end by a signal. Only what stops a start goes to
// stderr; the rest is in the log.
#include "app/weft/cmd_server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstring>
#include <optional>

#include "app/weft/host_addresses.h"
#include "app/weft/server_options.h"
#include "app/weft/verbs.h"
#include "base/fd.h"
#include "control/server.h"
#include "io/epoll_loop.h"
#include "io/real_disk.h"
#include "io/signals.h"
#include "io/socket_network.h"
#include "telemetry/rotating_file.h"

namespace weft::app {
namespace {

constexpr Duration kStopPatience = Duration::seconds(3);
constexpr Duration kTokenLife = Duration::hours(1);

// The loop's own log: written by the loop's thread alone.
class FileSink final : public LogSink {
 public:
  FileSink(io::Disk& disk, const Clock& clock, std::string path)
      : file_(disk, clock, std::move(path)) {}
  void write(LogLevel, std::string_view line) override { file_.write(std::string(line) + "\n"); }

 private:
  telemetry::RotatingFile file_;
};

int give_up(std::string_view why) {
  std::fprintf(stderr, "weft server: %.*s\n", static_cast<int>(why.size()), why.data());
  return kExitFailed;
}

// Held as long as the descriptor is open: two servers on one state would sign and assign against
// each other.
Result<Fd> lock_state(const std::string& dir) {
  std::string path = dir + "/server.lock";
  Fd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) return std::unexpected(Error::from_errno(errno, path));
  if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    char pid[32] = {};
    ssize_t size = read(fd.get(), pid, sizeof pid - 1);
    return fail(
        ErrorKind::kConflict,
        fmt::format("another server ({}) uses the state directory {}; give this one its own "
                    "with --state-dir",
                    size > 0 ? fmt::format("process {}", std::atoi(pid)) : "running", dir));
  }
  std::string text = fmt::format("{}\n", getpid());
  if (ftruncate(fd.get(), 0) != 0 || write(fd.get(), text.data(), text.size()) < 0) {
    return std::unexpected(Error::from_errno(errno, path));
  }
  return fd;
}

Result<void> make_directories(io::Disk& disk, const ServerArguments& arguments) {
  if (auto ok = disk.make_dirs(arguments.state_dir, 0700); !ok) {
    return std::unexpected(
        std::move(ok.error()).context("making the state directory (--state-dir)"));
  }
  size_t slash = arguments.socket.rfind('/');
  if (slash != std::string::npos && slash > 0) {
    if (auto ok = disk.make_dirs(arguments.socket.substr(0, slash), 0755); !ok) {
      return std::unexpected(
          std::move(ok.error()).context("making the socket's directory (--socket)"));
    }
  }
  return {};
}

control::PeerCredentials credentials_of(const io::Stream& stream) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (getsockopt(stream.descriptor(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return {};
  return {static_cast<int>(peer.uid), static_cast<int>(peer.pid)};
}

control::ServerOptions options_of(const ServerArguments& arguments) {
  control::ServerOptions options;
  options.store.path = arguments.state_dir + "/weft.db";
  options.listen = arguments.listen;
  options.socket_path = arguments.socket;
  options.status = arguments.status;
  options.trust_domain = arguments.trust_domain;
  options.svid_life = arguments.svid_life;
  options.machine_life = arguments.machine_life;
  options.allowed_uids = arguments.allowed_uids;
  options.allowed_uids.insert(0);
  options.allowed_uids.insert(static_cast<int>(geteuid()));
  options.peer_credentials = credentials_of;
  options.version = WEFT_VERSION;
  if (arguments.advertise) {
    SocketAddress address = *arguments.advertise;
    if (address.port == 0) address.port = arguments.listen.port;
    options.advertised = {address};
    options.advertised_by_user = true;
  } else if (arguments.listen.ip.is_unspecified()) {
    for (const auto& ip : host_addresses()) {
      if (ip.is_v4() == arguments.listen.ip.is_v4())
        options.advertised.push_back({ip, arguments.listen.port});
    }
  } else if (!arguments.listen.ip.is_loopback()) {
    options.advertised = {arguments.listen};
  }
  return options;
}

// Thousands of sidecars are thousands of sockets.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

void greet(control::Server& server, const ServerArguments& arguments) {
  ServerGreeting greeting;
  greeting.trust_domain = server.trust_domain();
  greeting.made_now = server.made_trust_domain();
  greeting.state_dir = arguments.state_dir;
  greeting.socket = arguments.socket;
  greeting.log_file = arguments.state_dir + "/server.log";
  greeting.listen = server.listening();
  greeting.status = arguments.status;
  auto token = server.create_token({"", "", kTokenLife});
  if (token) {
    greeting.join_line = token->join_line;
  } else {
    greeting.why_no_join_line = token.error().message();
  }
  std::string text = to_text(greeting);
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

io::Task<void> stop_then(control::Server& server, io::EpollLoop& loop) {
  co_await server.stop(kStopPatience);
  loop.stop();
}

int serve(const ServerArguments& arguments) {
  io::RealDisk disk;
  if (auto ok = make_directories(disk, arguments); !ok) return give_up(ok.error().message());
  umask(077);
  auto lock = lock_state(arguments.state_dir);
  if (!lock) return give_up(lock.error().message());
  // --- from here on this process owns the state directory ---

  raise_descriptor_limit();
  std::signal(SIGPIPE, SIG_IGN);
  io::EpollLoop loop;
  io::SocketNetwork network(loop);
  SeededRandom random = SeededRandom::from_os();
  FileSink sink(disk, loop, arguments.state_dir + "/server.log");
  Log log(sink, loop, "server");
  control::Server server(loop, network, random, log, options_of(arguments));
  if (auto ok = server.start(); !ok) return give_up(ok.error().message());
  // Who may use the socket is decided by credentials, so everybody may knock and be told why not.
  chmod(arguments.socket.c_str(), 0666);

  io::TaskScope stopping;
  bool stop_begun = false;
  io::SignalWatch signals(loop, {SIGTERM, SIGINT}, [&](int) {
    if (stop_begun) {
      loop.stop();  // asked twice: now
      return;
    }
    stop_begun = true;
    stopping.spawn(stop_then(server, loop));
  });
  greet(server, arguments);
  loop.run();
  return kExitOk;
}

}  // namespace

std::string to_text(const ServerGreeting& g) {
  std::string text = fmt::format(
      "Weft server for the trust domain {}{}\n"
      "  discovery and joining  {}\n"
      "  API socket             {}\n"
      "  status page            http://{}/\n"
      "  state                  {}{}\n"
      "  log                    {}\n"
      "\n"
      "Run an app in the mesh, on this host:\n"
      "  weft run --service NAME:PORT -- COMMAND\n"
      "\n",
      g.trust_domain, g.made_now ? " (made now)" : "", g.listen.to_string(), g.socket,
      g.status.to_string(), g.state_dir, g.made_now ? " (holds the root key: keep it safe)" : "",
      g.log_file);
  if (!g.join_line.empty()) {
    text += fmt::format(
        "On another machine (the token works once, within an hour; more with `weft token "
        "create`):\n"
        "  {}\n",
        g.join_line);
  } else {
    text += fmt::format("Other machines cannot join yet: {}\n", g.why_no_join_line);
  }
  return text;
}

int verb_server(std::span<char* const> args) {
  auto arguments = read_server_arguments(args, read_environment());
  if (!arguments) {
    std::fprintf(stderr, "weft server: %s\nTry: weft server --help\n",
                 arguments.error().message().c_str());
    return kExitUsage;
  }
  if (arguments->help) {
    std::fwrite(server_manual().data(), 1, server_manual().size(), stdout);
    return kExitOk;
  }
  return serve(*arguments);
}

}  // namespace weft::app
