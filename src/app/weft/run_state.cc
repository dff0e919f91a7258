// An ended instance is told from a living one by flock(2): the kernel drops the lock however the keeper
// ended.
#include "app/weft/run_state.h"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>
#include <vector>

namespace weft::app {
namespace {

namespace fs = std::filesystem;

constexpr size_t kKeptEnded = 20;

Fd try_lock(const fs::path& directory) {
  Fd fd(::open((directory / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (fd && ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) fd.close();
  return fd;
}

void remove_oldest_ended(const std::string& instances_dir) {
  std::error_code error;
  std::vector<std::pair<fs::file_time_type, fs::path>> directories;
  for (const auto& entry : fs::directory_iterator(instances_dir, error))
    if (entry.is_directory(error))
      directories.emplace_back(fs::last_write_time(entry.path(), error), entry.path());
  if (directories.size() <= kKeptEnded) return;
  std::sort(directories.begin(), directories.end());
  directories.resize(directories.size() - kKeptEnded);
  for (const auto& [time, path] : directories)
    if (Fd lock = try_lock(path)) fs::remove_all(path, error);
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
  if (auto made = make_directory(directory.path); !made)
    return std::unexpected(std::move(made.error()));
  directory.lock = try_lock(directory.path);
  if (!directory.lock)
    return fail(ErrorKind::kConflict,
                directory.path + " is locked: an instance of this name already runs here");
  remove_oldest_ended(instances_dir);
  return directory;
}

}  // namespace weft::app
