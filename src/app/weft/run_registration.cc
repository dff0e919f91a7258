// One coroutine on a loop of its own, run to its end: find a way to the server, register, and as long as
// the server is merely away try again. The loop is gone before the instance's life begins.
#include "app/weft/run_registration.h"

#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdio>
#include <optional>

#include "app/weft/machine_credential.h"
#include "io/epoll_loop.h"
#include "io/event.h"
#include "io/socket_network.h"

namespace weft::app {
namespace {

constexpr Duration kAttempt = Duration::seconds(5);
constexpr Duration kFirstPause = Duration::millis(100);
constexpr Duration kMaxPause = Duration::seconds(1);

std::string machine_name() {
  utsname name{};
  return ::uname(&name) == 0 ? name.nodename : "machine";
}

bool may_come_back(const Error& error) {
  switch (error.kind()) {
    case ErrorKind::kRefused:
    case ErrorKind::kUnavailable:
    case ErrorKind::kTimeout:
    case ErrorKind::kReset:
    case ErrorKind::kClosed:
    case ErrorKind::kNotFound:  // the socket's file is not there yet
      return true;
    default: return false;
  }
}

class Registration {
 public:
  Registration(const RunOptions& options, const RegistrationPlaces& places,
               const trust::PrivateKey& key, uint16_t inbound_port)
      : options_(options),
        places_(places),
        key_(key),
        inbound_port_(inbound_port),
        network_(loop_),
        file_(places.state_dir) {}

  Result<xds::Registered> run() {
    io::TaskScope scope;
    scope.spawn(converse());
    if (!done_) loop_.run();
    return std::move(*result_);
  }

 private:
  io::Task<void> converse() {
    const Instant deadline = loop_.now() + options_.wait;
    Duration pause = kFirstPause;
    bool said = false;
    while (true) {
      result_ = co_await attempt();
      if (result_->has_value() || !may_come_back(result_->error())) break;
      if (loop_.now() + pause >= deadline) {
        result_ = fail(ErrorKind::kUnavailable, give_up_text(result_->error()));
        break;
      }
      if (!said) say_waiting(result_->error());
      said = true;
      co_await io::sleep_for(loop_, pause);
      pause = std::min(pause * 2, kMaxPause);
    }
    done_ = true;
    loop_.stop();
  }

  io::Task<Result<xds::Registered>> attempt() {
    auto access = co_await find_access();
    if (!access) co_return std::unexpected(std::move(access.error()));
    co_return co_await xds::register_instance(loop_, network_, std::move(*access), key_, params(),
                                              kAttempt);
  }

  // A token or an address on the command line means another machine's server; else the socket, if there is
  // a server on this host; else the credential of an earlier join.
  io::Task<Result<xds::ServerAccess>> find_access() {
    const bool elsewhere = !options_.token.empty() || options_.server.has_value();
    xds::ServerAccess access;
    auto credential = file_.load();
    if (!elsewhere && (!credential || ::access(places_.server_socket.c_str(), F_OK) == 0)) {
      access.unix_path = places_.server_socket;
      co_return access;
    }
    const bool ended = credential && expired(*credential, loop_.wall_now());
    const bool held = credential && !ended && file_.made_by(options_.token);
    if (!options_.token.empty() && !held) {
      credential = co_await join_machine();
    } else if (ended) {
      co_return fail(ErrorKind::kDenied, join_again_text(*credential));
    }
    if (!credential) co_return std::unexpected(not_joined(std::move(credential.error())));
    if (options_.server) credential->servers.insert(credential->servers.begin(), *options_.server);
    if (!renewed_) {
      renewed_ = true;
      // Failing is no harm as long as the old one is valid.
      auto renewed = co_await renew_if_due(loop_, network_, file_, *credential, kAttempt);
      if (renewed) credential = std::move(renewed);
    }
    access.machine = std::move(*credential);
    co_return access;
  }

  io::Task<Result<xds::MachineCredential>> join_machine() {
    auto token = xds::JoinToken::decode(options_.token);
    if (!token) co_return std::unexpected(std::move(token.error()).context("--token"));
    if (options_.server) token->servers.insert(token->servers.begin(), *options_.server);
    auto credential =
        co_await xds::join(loop_, network_, std::move(*token), machine_name(), kAttempt);
    if (!credential)
      co_return std::unexpected(std::move(credential.error()).context("joining with the token"));
    if (auto saved = file_.save(*credential, options_.token); !saved)
      co_return std::unexpected(
          std::move(saved.error()).context("keeping the machine's credential"));
    co_return credential;
  }

  // Why there is no credential: an error of joining as it is, else what to do.
  Error not_joined(Error error) const {
    if (!options_.token.empty()) return error;
    const std::string how = "give --token; `weft token create` on the server makes one";
    if (error.kind() != ErrorKind::kNotFound) {
      return {ErrorKind::kDenied,
              fmt::format("{} ({}): {}", error.message(), places_.state_dir, how)};
    }
    return {ErrorKind::kDenied,
            fmt::format("this machine has not joined yet (no credential in {}): {}",
                        places_.state_dir, how)};
  }

  xds::RegisterParams params() const {
    xds::RegisterParams params;
    params.ns = options_.ns;
    bool offers = false;
    for (const RunService& service : options_.services) {
      params.services.push_back({service.name, service.port, service.app_port, service.protocol});
      offers |= service.port != 0;
    }
    if (!offers) params.identity_name = options_.services.front().name;
    params.labels = options_.labels;
    params.advertise_ip = options_.advertise;
    params.advertise_port = inbound_port_;
    return params;
  }

  void say_waiting(const Error& error) const {
    fmt::print(stderr, "weft run: waiting up to {} s for the server: {}\n",
               options_.wait.to_seconds(), error.message());
    std::fflush(stderr);
  }

  std::string give_up_text(const Error& error) const {
    return fmt::format(
        "{}\nno server within {} s: start one with `weft server`, or name one on another machine "
        "with --server ADDRESS --token TOKEN",
        error.message(), options_.wait.to_seconds());
  }

  const RunOptions& options_;
  const RegistrationPlaces& places_;
  const trust::PrivateKey& key_;
  const uint16_t inbound_port_;
  io::EpollLoop loop_;
  io::SocketNetwork network_;
  CredentialFile file_;
  bool renewed_ = false;
  bool done_ = false;
  std::optional<Result<xds::Registered>> result_;
};

}  // namespace

Result<xds::Registered> register_with_server(const RunOptions& options,
                                             const RegistrationPlaces& places,
                                             const trust::PrivateKey& key, uint16_t inbound_port) {
  return Registration(options, places, key, inbound_port).run();
}

}  // namespace weft::app
