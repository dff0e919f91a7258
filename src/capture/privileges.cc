// capset(2) and prctl(2) directly: libcap would be one more library for four calls.
#include "capture/privileges.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace weft::capture {
namespace {

constexpr int kLastKnown = 63;

constexpr uint64_t bit(int capability) { return uint64_t{1} << capability; }

// Reaching out of the namespaces, or into the kernel.
constexpr uint64_t kLeaving = bit(CAP_SYS_ADMIN) | bit(CAP_NET_ADMIN) | bit(CAP_SYS_PTRACE) |
                              bit(CAP_SYS_MODULE) | bit(CAP_SYS_RAWIO) | bit(CAP_SYS_BOOT) |
                              bit(CAP_MKNOD) | bit(CAP_DAC_READ_SEARCH) | bit(CAP_BPF) |
                              bit(CAP_PERFMON) | bit(CAP_CHECKPOINT_RESTORE) | bit(CAP_MAC_ADMIN) |
                              bit(CAP_MAC_OVERRIDE) | bit(CAP_SYSLOG);
constexpr uint64_t kFileCapabilities = bit(CAP_NET_BIND_SERVICE) | bit(CAP_NET_RAW);

uint64_t allowed(bool as_root) { return as_root ? ~kLeaving : kFileCapabilities; }

struct Sets {
  uint64_t effective = 0, permitted = 0, inheritable = 0;
};

int read_sets(Sets& sets) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2];
  if (::syscall(SYS_capget, &header, data) != 0) return errno;
  sets.effective = data[0].effective | uint64_t{data[1].effective} << 32;
  sets.permitted = data[0].permitted | uint64_t{data[1].permitted} << 32;
  sets.inheritable = data[0].inheritable | uint64_t{data[1].inheritable} << 32;
  return 0;
}

int write_sets(const Sets& sets) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2];
  data[0] = {static_cast<uint32_t>(sets.effective), static_cast<uint32_t>(sets.permitted),
             static_cast<uint32_t>(sets.inheritable)};
  data[1] = {static_cast<uint32_t>(sets.effective >> 32),
             static_cast<uint32_t>(sets.permitted >> 32),
             static_cast<uint32_t>(sets.inheritable >> 32)};
  return ::syscall(SYS_capset, &header, data) == 0 ? 0 : errno;
}

}  // namespace

bool may_administer() {
  Sets sets;
  return read_sets(sets) == 0 && (sets.effective & bit(CAP_SYS_ADMIN)) != 0;
}

Result<void> limit_future_capabilities(bool as_root) {
  for (int capability = 0; capability <= kLastKnown; ++capability) {
    const int held = ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0);
    if (held < 0) break;  // this kernel knows no more
    if (held == 0 || (allowed(as_root) & bit(capability)) != 0) continue;
    if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0)
      return std::unexpected(Error::from_errno(errno, "limiting the app's capabilities"));
  }
  return {};
}

Result<void> keep_only_net_admin() {
  const uint64_t kept = bit(CAP_NET_ADMIN);
  const int error = write_sets({.effective = kept, .permitted = kept, .inheritable = 0});
  if (error != 0) return std::unexpected(Error::from_errno(error, "dropping capabilities"));
  return {};
}

int pass_on_net_admin() {
  Sets sets;
  if (const int error = read_sets(sets); error != 0) return error;
  sets.inheritable |= bit(CAP_NET_ADMIN);
  if (const int error = write_sets(sets); error != 0) return error;
  return ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_ADMIN, 0, 0) == 0 ? 0 : errno;
}

int drop_capabilities_for_app(bool as_root) {
  if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) return errno;
  if (!as_root) return write_sets({});
  Sets sets;
  if (const int error = read_sets(sets); error != 0) return error;
  const uint64_t kept = allowed(as_root);
  return write_sets({.effective = sets.effective & kept,
                     .permitted = sets.permitted & kept,
                     .inheritable = sets.inheritable & kept});
}

}  // namespace weft::capture
