// An ended instance is told from a living one by flock(2): the kernel drops the lock however the keeper
// ended.
#include "app/weft/run_state.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>
#include <vector>

namespace weft::app {
namespace {

namespace fs = std::filesystem;

constexpr size_t kKeptEnded = 20;
constexpr int kAttempts = 3;

// Held: the lock. Not held: somebody lives there, or it was removed under our hands.
Fd try_lock(const fs::path& directory) {
  const std::string path = directory / "lock";
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd || ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) return {};
  struct stat held{}, there{};
  const bool same = ::fstat(fd.get(), &held) == 0 && ::stat(path.c_str(), &there) == 0 &&
                    held.st_ino == there.st_ino;
  return same ? std::move(fd) : Fd();
}

void remove_oldest_ended(const std::string& instances_dir) {
  std::error_code error;
  std::vector<std::pair<fs::file_time_type, fs::path>> directories;
  for (const auto& entry : fs::directory_iterator(instances_dir, error))
    if (entry.is_directory(error))
      directories.emplace_back(fs::last_write_time(entry.path(), error), entry.path());
  if (directories.size() <= kKeptEnded) return;
  std::sort(directories.rbegin(), directories.rend());  // newest first
  size_t ended = 0;
  for (const auto& [time, path] : directories) {
    const Fd lock = try_lock(path);
    if (lock && ++ended > kKeptEnded) fs::remove_all(path, error);
  }
}

Result<void> make_directory(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return std::unexpected(Error::from_errno(error.value(), "making " + path.string()));
  fs::permissions(path, fs::perms::owner_all, error);
  return {};
}

}  // namespace

Result<std::string> make_instances_dir(const std::string& state_dir) {
  std::string path = state_dir + "/instances";
  if (auto made = make_directory(path); !made) return std::unexpected(std::move(made.error()));
  return path;
}

Result<InstanceDirectory> make_instance_dir(const std::string& instances_dir,
                                            const std::string& instance) {
  InstanceDirectory directory;
  directory.path = instances_dir + "/" + instance;
  // Another start may take a directory that is not locked yet for that of an ended instance.
  for (int attempt = 0; attempt < kAttempts && !directory.lock; ++attempt) {
    if (auto made = make_directory(directory.path); !made)
      return std::unexpected(std::move(made.error()));
    directory.lock = try_lock(directory.path);
  }
  if (!directory.lock)
    return fail(ErrorKind::kConflict,
                directory.path + " is locked: an instance of this name already runs here");
  remove_oldest_ended(instances_dir);
  return directory;
}

}  // namespace weft::app
