// The descriptors in use are not counted: the lowest free number is asked for, which is what the kernel
// hands out next. It falls short of the count only while lower ones are free, when there is no shortage.
#include "app/proxy/usage.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <string>

namespace weft::app {
namespace {

constexpr uint64_t kMostMemory = uint64_t{1} << 30;

uint64_t first_number(const char* path) {
  const Fd file(::open(path, O_RDONLY | O_CLOEXEC));
  char text[32] = {};
  if (!file || ::read(file.get(), text, sizeof text - 1) <= 0) return 0;
  return std::strtoull(text, nullptr, 10);  // "max" is 0
}

}  // namespace

UsageReader::UsageReader() : statm_(::open("/proc/self/statm", O_RDONLY | O_CLOEXEC)) {}

proxy::Usage UsageReader::read() {
  proxy::Usage usage;
  char text[96] = {};
  if (statm_ && ::pread(statm_.get(), text, sizeof text - 1, 0) > 0) {
    char* rest = nullptr;
    std::strtoull(text, &rest, 10);  // the whole address space; what is resident follows
    usage.memory =
        std::strtoull(rest, nullptr, 10) * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  }
  const int lowest = ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
  if (lowest >= 0) {
    usage.descriptors = static_cast<uint64_t>(lowest);
    ::close(lowest);
  } else if (errno == EMFILE) {
    usage.descriptors = UINT64_MAX;
  }
  return usage;
}

proxy::UsageLimits usage_limits() {
  proxy::UsageLimits limits;
  struct sysinfo machine{};
  uint64_t memory = 0;
  if (::sysinfo(&machine) == 0) memory = uint64_t{machine.totalram} * machine.mem_unit;
  for (const char* path :
       {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    const uint64_t allowed = first_number(path);
    if (allowed > 0 && (memory == 0 || allowed < memory)) memory = allowed;
  }
  limits.memory = std::min(memory / 4, kMostMemory);
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
    limits.descriptors = files.rlim_cur == RLIM_INFINITY ? 0 : files.rlim_cur;
  }
  return limits;
}

}  // namespace weft::app
