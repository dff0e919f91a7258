// The mount tree becomes a slave, not private: with private copies a file system the host unmounts would
// stay busy as long as the instance lives.
#include "capture/namespaces.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "capture/files.h"

namespace weft::capture {
namespace {

std::string setting(const char* path) {
  auto text = read_small_file(path);
  if (!text) return "";
  return text->substr(0, text->find('\n'));
}

bool seccomp_filtered() {
  auto status = read_small_file("/proc/self/status");
  return status && status->find("\nSeccomp:\t2") != std::string::npos;
}

Error refused(int errno_value, std::string_view call) {
  std::string text = fmt::format("{} failed", call);
  Error error = Error::from_errno(errno_value, text);
  const std::string why = why_namespaces_are_refused();
  if (why.empty()) return error;
  return Error(error.kind(), error.message() + "; " + why);
}

Result<void> map_own_ids(uid_t uid, gid_t gid) {
  // Without "deny" an unprivileged process may not write its gid_map (user_namespaces(7)).
  if (auto done = write_file("/proc/self/setgroups", "deny"); !done) return done;
  if (auto done = write_file("/proc/self/uid_map", fmt::format("{0} {0} 1", uid)); !done)
    return done;
  return write_file("/proc/self/gid_map", fmt::format("{0} {0} 1", gid));
}

}  // namespace

std::string why_namespaces_are_refused() {
  if (setting("/proc/sys/kernel/unprivileged_userns_clone") == "0")
    return "kernel.unprivileged_userns_clone is 0: user namespaces are for root only here "
           "(sysctl kernel.unprivileged_userns_clone=1 allows them)";
  if (setting("/proc/sys/user/max_user_namespaces") == "0")
    return "user.max_user_namespaces is 0 (sysctl user.max_user_namespaces=10000 allows them)";
  if (setting("/proc/sys/user/max_net_namespaces") == "0")
    return "user.max_net_namespaces is 0 (sysctl user.max_net_namespaces=10000 allows them)";
  if (setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1")
    return "kernel.apparmor_restrict_unprivileged_userns is 1: AppArmor takes the capabilities "
           "away "
           "in user namespaces (give weft a profile with 'userns,', or set it to 0)";
  if (seccomp_filtered())
    return "a seccomp filter is active, as containers have: it may forbid namespaces (run the "
           "container with a profile that allows unshare, or weft outside of it)";
  return "";
}

Result<void> enter_namespaces(bool as_root) {
  const uid_t uid = ::geteuid();
  const gid_t gid = ::getegid();
  if (as_root) {
    if (::unshare(CLONE_NEWNET | CLONE_NEWNS) != 0)
      return std::unexpected(refused(errno, "unshare(CLONE_NEWNET|CLONE_NEWNS)"));
  } else {
    if (::unshare(CLONE_NEWUSER) != 0)
      return std::unexpected(refused(errno, "unshare(CLONE_NEWUSER)"));
    if (auto mapped = map_own_ids(uid, gid); !mapped) return mapped;
    if (::unshare(CLONE_NEWNET | CLONE_NEWNS) != 0)
      return std::unexpected(
          refused(errno, "unshare(CLONE_NEWNET|CLONE_NEWNS) in the new user namespace"));
  }
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0)
    return std::unexpected(refused(errno, "making the mount tree a slave of the host's"));
  return {};
}

}  // namespace weft::capture
