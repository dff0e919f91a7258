// /proc/PID/stat names every process's parent; one sweep builds the tree. /proc/PID/task/*/children
// would be cheaper but is not in every kernel, and this runs only when something died.
#include "capture/processes.h"

#include <dirent.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

#include "base/fd.h"
#include "capture/files.h"

namespace weft::capture {
namespace {

struct Process {
  pid_t parent = 0;
  bool alive = false;
  bool stopped = false;
};

// /proc/PID/stat (proc_pid_stat(5)); the name may hold anything, so count from its last ')'. A process
// whose first thread has ended shows as a zombie while its other threads still run.
bool read_process(pid_t pid, Process& process) {
  auto text = read_small_file("/proc/" + std::to_string(pid) + "/stat");
  if (!text) return false;
  const size_t name_end = text->rfind(')');
  if (name_end == std::string::npos) return false;
  char state = '?';
  long threads = 0;
  const int fields =
      std::sscanf(text->c_str() + name_end + 1,
                  " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %ld", &state,
                  &process.parent, &threads);
  process.alive = (state != 'Z' && state != 'X') || threads > 1;
  process.stopped = state == 'T';
  return fields == 3;
}

std::multimap<pid_t, std::pair<pid_t, bool>> children_by_parent() {
  std::multimap<pid_t, std::pair<pid_t, bool>> tree;  // parent → (child, alive)
  DIR* directory = ::opendir("/proc");
  if (!directory) return tree;
  while (const dirent* entry = ::readdir(directory)) {
    const auto pid = static_cast<pid_t>(std::strtol(entry->d_name, nullptr, 10));
    Process process;
    if (pid > 0 && read_process(pid, process))
      tree.emplace(process.parent, std::pair(pid, process.alive));
  }
  ::closedir(directory);
  return tree;
}

// 0 when it has ended or may not be looked at.
ino_t network_namespace_of_process(const std::string& process) {
  struct stat about{};
  return ::stat(("/proc/" + process + "/ns/net").c_str(), &about) == 0 ? about.st_ino : 0;
}

// Those of the namespace, and those below them wherever they live.
std::vector<pid_t> processes_in(ino_t network_namespace) {
  std::vector<pid_t> found;
  for (const auto& [parent, child] : children_by_parent()) {
    if (!child.second) continue;
    if (network_namespace_of_process(std::to_string(child.first)) != network_namespace) continue;
    found.push_back(child.first);
    for (pid_t below : descendants(child.first)) found.push_back(below);
  }
  return found;
}

void stop_and_kill(const std::vector<pid_t>& processes) {
  for (pid_t pid : processes) ::kill(pid, SIGSTOP);
  for (pid_t pid : processes) ::kill(pid, SIGKILL);
}

bool is_among(pid_t pid, std::span<const pid_t> all) {
  return std::ranges::find(all, pid) != all.end();
}

// Takes the status of dead children, that of `spare` left for whoever waits for it. False when there is
// no child at all: then, the caller being a subreaper, there is no descendant either.
bool reap_all(std::span<const pid_t> spare) {
  siginfo_t info;
  do {
    info.si_pid = 0;
    if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0) return false;
    if (info.si_pid == 0 || is_among(info.si_pid, spare)) return true;
  } while (::waitpid(info.si_pid, nullptr, 0) > 0);
  return true;
}

}  // namespace

std::vector<pid_t> descendants(pid_t root, std::span<const pid_t> spare) {
  const auto tree = children_by_parent();
  std::vector<pid_t> found, queue{root};
  for (size_t i = 0; i < queue.size(); ++i) {
    auto [from, to] = tree.equal_range(queue[i]);
    for (auto it = from; it != to; ++it) {
      const auto [pid, alive] = it->second;
      if (is_among(pid, spare)) continue;
      queue.push_back(pid);
      if (alive) found.push_back(pid);
    }
  }
  return found;
}

void kill_descendants(std::span<const pid_t> spare) {
  const pid_t self = ::getpid();
  while (reap_all(spare)) {
    const auto found = descendants(self, spare);
    stop_and_kill(found);
    if (found.empty() && descendants(self, spare).empty()) return;
    ::poll(nullptr, 0, 1);  // the kernel needs a moment to take them apart
  }
}

Result<ino_t> network_namespace_of(int socket) {
  Fd space(::ioctl(socket, SIOCGSKNS));
  struct stat about{};
  if (!space || ::fstat(space.get(), &about) != 0)
    return std::unexpected(Error::from_errno(errno, "asking for a socket's network namespace"));
  return about.st_ino;
}

void kill_processes_in(ino_t network_namespace) {
  if (network_namespace == 0 || network_namespace == network_namespace_of_process("self")) return;
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(1);
  int times_empty = 0;
  while (times_empty < 2 && std::chrono::steady_clock::now() < give_up) {
    const std::vector<pid_t> found = processes_in(network_namespace);
    times_empty = found.empty() ? times_empty + 1 : 0;
    stop_and_kill(found);
    ::poll(nullptr, 0, 1);  // the kernel needs a moment to take them apart
  }
}

bool is_stopped(pid_t pid) {
  Process process;
  return read_process(pid, process) && process.stopped;
}

}  // namespace weft::capture
