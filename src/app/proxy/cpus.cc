// A quota is rounded down: with more threads than it pays for the kernel would stop all of them for the rest
// of each period, and every request with them.
#include "app/proxy/cpus.h"

#include <sched.h>

#include <algorithm>
#include <cstdlib>

#include "base/text.h"
#include "capture/files.h"

namespace weft::app {
namespace {

constexpr size_t kMostByDefault = 4;
constexpr const char* kMount = "/sys/fs/cgroup";

std::string text_of(const std::string& file) {
  auto text = capture::read_small_file(file);
  return text ? std::move(*text) : std::string();
}

// 0 for what is no positive number: "max", "-1", a file that is not there.
double positive(std::string_view text) {
  const double number = std::strtod(std::string(text).c_str(), nullptr);
  return number > 0 ? number : 0;
}

// "150000 100000", "max 100000"
double quota_v2(const std::string& folder) {
  const std::string text = text_of(folder + "/cpu.max");
  auto parts = split_once(text, ' ');
  if (!parts || positive(parts->second) == 0) return 0;
  return positive(parts->first) / positive(parts->second);
}

double quota_v1(const std::string& folder) {
  const double period = positive(text_of(folder + "/cpu.cfs_period_us"));
  return period == 0 ? 0 : positive(text_of(folder + "/cpu.cfs_quota_us")) / period;
}

// The least quota of `path` and all above it; in a container only the topmost may be visible.
double least_upwards(const std::string& mount, std::string path,
                     double (*quota)(const std::string&)) {
  double least = 0;
  while (true) {
    if (path == "/") path.clear();
    if (const double found = quota(mount + path); found > 0)
      least = least == 0 ? found : std::min(least, found);
    if (path.empty()) return least;
    const size_t slash = path.rfind('/');
    path.erase(slash == std::string::npos ? 0 : slash);
  }
}

}  // namespace

double cpu_quota(const std::string& root) {
  const std::string groups = text_of(root + "/proc/self/cgroup");
  const std::string mount = root + kMount;
  // NUMBER:CONTROLLERS:PATH, one line a hierarchy; of version 2 without controllers.
  for (std::string_view line : split(groups, '\n')) {
    const auto parts = split(line, ':');
    if (parts.size() < 3) continue;
    const std::string path(parts[2]);
    const auto controllers = split(parts[1], ',');
    if (std::find(controllers.begin(), controllers.end(), "cpu") != controllers.end())
      return least_upwards(mount + "/cpu", path, quota_v1);
    if (parts[0] == "0") {
      if (const double found = least_upwards(mount, path, quota_v2); found > 0) return found;
    }
  }
  return 0;
}

size_t usable_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  const auto runs_on = static_cast<size_t>(
      ::sched_getaffinity(0, sizeof set, &set) == 0 ? std::max(CPU_COUNT(&set), 1) : 1);
  const double quota = cpu_quota();
  if (quota == 0) return runs_on;
  return std::clamp<size_t>(static_cast<size_t>(quota), 1, runs_on);
}

size_t default_workers(bool gateway, size_t cpus) {
  return gateway ? std::clamp<size_t>(cpus, 1, kMostByDefault) : 1;
}

}  // namespace weft::app
