// Many keepers of one machine share the file. Each looks at it by itself; a lock file decides who asks the
// server, and the others find a fresh credential when they look again. The keeper has one thread and must
// answer signals at once, so the conversation with the server happens in a child: it costs a fork every
// few days. Looks are at most ten minutes apart by the wall clock, because a timer does not count the time a
// laptop sleeps.
#include "app/weft/machine_credential.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <optional>

#include "base/fd.h"
#include "base/log.h"
#include "base/text.h"
#include "io/epoll_loop.h"
#include "io/socket_network.h"
#include "trust/secret.h"

namespace weft::app {
namespace {

constexpr Duration kAttempt = Duration::seconds(5);
constexpr Duration kLook = Duration::minutes(10);
constexpr Duration kSoonest = Duration::seconds(1);
constexpr int kTriesALife = 32;  // attempts in one life while the server does not answer

WallTime wall_now() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return WallTime{std::chrono::duration_cast<std::chrono::nanoseconds>(since).count()};
}

io::Task<void> renew_into(io::EpollLoop* loop, io::SocketNetwork* network, CredentialFile* file,
                          xds::MachineCredential credential,
                          std::optional<Result<xds::MachineCredential>>* out) {
  *out = co_await renew_if_due(*loop, *network, *file, std::move(credential), kAttempt);
  loop->stop();
}

// All of a child's life.
int renew_apart(const std::string& state_dir, const CredentialKeeper::Say& say) {
  CredentialFile file(state_dir);
  auto credential = file.load();
  if (!credential) return 1;
  io::EpollLoop loop;
  io::SocketNetwork network(loop);
  std::optional<Result<xds::MachineCredential>> renewed;
  io::TaskScope scope;
  scope.spawn(renew_into(&loop, &network, &file, std::move(*credential), &renewed));
  if (!renewed) loop.run();
  if (!*renewed) {
    say(fmt::format("the machine's credential could not be renewed yet: {}",
                    renewed->error().message()));
    return 1;
  }
  return 0;
}

}  // namespace

CredentialFile::CredentialFile(const std::string& state_dir)
    : state_dir_(state_dir),
      path_(state_dir + "/machine.credential"),
      token_path_(state_dir + "/machine.token-hash"),
      lock_path_(state_dir + "/machine.lock") {}

Result<xds::MachineCredential> CredentialFile::load() {
  auto bytes = disk_.read(path_);
  if (!bytes) return std::unexpected(std::move(bytes.error()));
  return xds::MachineCredential::parse(*bytes);
}

bool CredentialFile::made_by(const std::string& token) {
  auto hash = disk_.read(token_path_);
  return hash && *hash == to_hex(trust::sha256(token));
}

Result<> CredentialFile::save(const xds::MachineCredential& credential) {
  if (auto made = disk_.make_dirs(state_dir_, 0700); !made) return made;
  return disk_.write_atomic(path_, credential.serialize(), 0600);
}

Result<> CredentialFile::save(const xds::MachineCredential& credential, const std::string& token) {
  if (auto saved = save(credential); !saved) return saved;
  return disk_.write_atomic(token_path_, to_hex(trust::sha256(token)), 0600);
}

Duration until_renewal(const xds::MachineCredential& credential, WallTime now) {
  const WallTime begin = credential.svid->not_before(), end = credential.svid->not_after();
  return std::max(Duration{}, begin + (end - begin) / 2 - now);
}

bool expired(const xds::MachineCredential& credential, WallTime now) {
  return now >= credential.svid->not_after();
}

std::string join_again_text(const xds::MachineCredential& credential) {
  const std::string server =
      credential.servers.empty() ? "ADDRESS" : credential.servers.front().to_string();
  return fmt::format(
      "this machine's credential ended at {}: it was not used for too long, or the server was "
      "away. "
      "Join again: `weft token create` on the server, then here once "
      "`weft run --server {} --token TOKEN …`",
      to_rfc3339(credential.svid->not_after()), server);
}

io::Task<Result<xds::MachineCredential>> renew_if_due(io::Loop& loop, io::Network& network,
                                                      CredentialFile& file,
                                                      xds::MachineCredential credential,
                                                      Duration timeout) {
  if (until_renewal(credential, loop.wall_now()) > Duration{}) co_return credential;
  const Fd lock(::open(file.lock_path().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (lock && ::flock(lock.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    co_return credential;
  }
  auto renewed = co_await xds::renew_machine(loop, network, credential, timeout);
  if (!renewed) co_return std::unexpected(std::move(renewed.error()));
  if (auto saved = file.save(*renewed); !saved) {
    co_return std::unexpected(std::move(saved.error()).context("keeping the machine's credential"));
  }
  co_return std::move(*renewed);
}

CredentialKeeper::CredentialKeeper(std::string state_dir, Say say)
    : state_dir_(std::move(state_dir)), say_(std::move(say)) {}

Duration CredentialKeeper::look() {
  auto credential = CredentialFile(state_dir_).load();
  if (!credential) return kLook;
  const WallTime now = wall_now();
  if (expired(*credential, now)) {
    if (!told_end_) say_(join_again_text(*credential));
    told_end_ = true;
    return kLook;
  }
  told_end_ = false;
  const Duration wait = until_renewal(*credential, now);
  if (wait > Duration{}) return std::clamp(wait, kSoonest, kLook);
  const pid_t child = ::fork();
  if (child == 0) {
    // The instance's sockets are not this child's to keep open.
    ::syscall(SYS_close_range, STDERR_FILENO + 1, ~0u, 0);
    ::_exit(renew_apart(state_dir_, say_));
  }
  const Duration life = credential->svid->not_after() - credential->svid->not_before();
  return std::clamp(life / kTriesALife, kSoonest, kLook);
}

}  // namespace weft::app
