// Replacement files live on a tmpfs that is mounted, bound from, and detached: the bind mounts keep it
// alive and it is visible nowhere else. Sockets are covered by /dev/null, so that connecting to one is
// refused as if its daemon were not running; resolv.conf beside them stays readable.
#include "capture/mounts.h"

#include <fmt/format.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "capture/files.h"
#include "capture/resolver_files.h"

namespace weft::capture {
namespace {

constexpr const char* kHiddenSockets[] = {
    "/run/nscd/socket",
    "/run/systemd/resolve/io.systemd.Resolve",
    "/run/systemd/resolve/io.systemd.Resolve.Monitor",
};

Result<void> bind_over(const std::string& source, const std::string& target) {
  if (::mount(source.c_str(), target.c_str(), nullptr, MS_BIND, nullptr) != 0)
    return std::unexpected(
        Error::from_errno(errno, fmt::format("mounting over {} (inside only)", target)));
  return {};
}

// Covers `target` with the text `transform` makes of it, if it makes any.
Result<void> cover(const std::string& target, const std::string& replacement,
                   std::optional<std::string> (*transform)(std::string_view)) {
  auto text = read_small_file(target);
  if (!text) return {};  // not there, or a dangling link: the C library's own defaults do
  auto changed = transform(*text);
  if (!changed) return {};
  if (auto written = write_file(replacement, *changed, true); !written) return written;
  return bind_over(replacement, target);
}

}  // namespace

Result<void> cover_resolver_files(const std::string& scratch) {
  if (::mount("weft", scratch.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=2m") != 0)
    return std::unexpected(Error::from_errno(errno, "mounting a tmpfs on " + scratch));
  auto done = cover("/etc/nsswitch.conf", scratch + "/nsswitch.conf", nsswitch_inside);
  if (done) done = cover("/etc/resolv.conf", scratch + "/resolv.conf", resolv_conf_inside);
  ::umount2(scratch.c_str(), MNT_DETACH);
  if (!done) return done;
  for (const char* path : kHiddenSockets) {
    if (::access(path, F_OK) != 0) continue;
    if (auto hidden = bind_over("/dev/null", path); !hidden) return hidden;
  }
  return {};
}

}  // namespace weft::capture
