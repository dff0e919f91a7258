// Plain system calls. write_atomic syncs file and directory: without the second sync a rename may be
// forgotten by a power cut although the data is safe.
#include "io/real_disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "base/fd.h"

namespace weft::io {

namespace {

std::unexpected<Error> failed(std::string_view doing, const std::string& path) {
  const int error_number = errno;
  return std::unexpected(Error::from_errno(error_number, std::string(doing) + " " + path));
}

Result<> write_all(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return failed("writing", path);
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return {};
}

std::string directory_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

class RealAppendFile final : public AppendFile {
 public:
  RealAppendFile(Fd fd, std::string path, uint64_t size)
      : fd_(std::move(fd)), path_(std::move(path)), size_(size) {}

  Result<> append(std::string_view bytes) override {
    auto done = write_all(fd_.get(), bytes, path_);
    struct stat status{};
    if (fstat(fd_.get(), &status) == 0) size_ = static_cast<uint64_t>(status.st_size);
    return done;
  }
  uint64_t size() const override { return size_; }
  Result<> sync() override {
    if (fdatasync(fd_.get()) != 0) return failed("syncing", path_);
    return {};
  }

 private:
  Fd fd_;
  std::string path_;
  uint64_t size_;
};

}  // namespace

Result<std::string> RealDisk::read(const std::string& path) {
  const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return failed("opening", path);
  std::string content;
  char piece[16 * 1024];
  for (;;) {
    const ssize_t got = ::read(fd.get(), piece, sizeof piece);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed("reading", path);
    if (got == 0) return content;
    content.append(piece, static_cast<size_t>(got));
  }
}

Result<> RealDisk::write_atomic(const std::string& path, std::string_view bytes, uint32_t mode) {
  // The process id keeps two writers apart; the last rename wins.
  const std::string temporary = path + ".new." + std::to_string(getpid());
  Fd fd(open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!fd) return failed("creating", temporary);
  Result<> done = write_all(fd.get(), bytes, temporary);
  if (done && (fchmod(fd.get(), mode) != 0 || fsync(fd.get()) != 0))
    done = failed("syncing", temporary);
  if (done && ::rename(temporary.c_str(), path.c_str()) != 0) done = failed("replacing", path);
  if (!done) {
    unlink(temporary.c_str());
    return done;
  }
  const Fd directory(open(directory_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory || fsync(directory.get()) != 0) return failed("syncing the directory of", path);
  return {};
}

Result<std::unique_ptr<AppendFile>> RealDisk::append_open(const std::string& path) {
  Fd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640));
  struct stat status{};
  if (!fd || fstat(fd.get(), &status) != 0) return failed("opening", path);
  return std::make_unique<RealAppendFile>(std::move(fd), path,
                                          static_cast<uint64_t>(status.st_size));
}

Result<> RealDisk::rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return failed("renaming", from + " to " + to);
  return {};
}

Result<> RealDisk::remove(const std::string& path) {
  if (unlink(path.c_str()) != 0) return failed("removing", path);
  return {};
}

Result<> RealDisk::make_dirs(const std::string& path, uint32_t mode) {
  for (size_t end = 1; end <= path.size(); ++end) {
    if (end < path.size() && path[end] != '/') continue;
    const std::string prefix = path.substr(0, end);
    if (mkdir(prefix.c_str(), mode) == 0) continue;
    struct stat status{};
    const int error_number = errno;
    if (stat(prefix.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) continue;
    return std::unexpected(Error::from_errno(error_number, "making the directory " + prefix));
  }
  return {};
}

Result<std::vector<std::string>> RealDisk::list(const std::string& path) {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir(path.c_str()), closedir);
  if (!directory) return failed("listing", path);
  std::vector<std::string> names;
  while (const dirent* entry = readdir(directory.get())) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  std::ranges::sort(names);
  return names;
}

}  // namespace weft::io
