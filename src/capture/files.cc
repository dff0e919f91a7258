// Files under /proc take their value in one write; short writes are therefore errors.
#include "capture/files.h"

#include <fcntl.h>

#include <cerrno>

#include "base/fd.h"

namespace weft::capture {

Result<std::string> read_small_file(const std::string& path) {
  constexpr size_t kLimit = 1 << 20;
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return std::unexpected(Error::from_errno(errno, path));
  std::string text;
  char piece[4096];
  while (true) {
    const ssize_t size = ::read(fd.get(), piece, sizeof piece);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return std::unexpected(Error::from_errno(errno, path));
    if (size == 0) return text;
    text.append(piece, static_cast<size_t>(size));
    if (text.size() > kLimit) return fail(ErrorKind::kLimit, path + ": larger than 1 MiB");
  }
}

Result<void> write_file(const std::string& path, std::string_view text, bool create) {
  Fd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC | (create ? O_CREAT | O_TRUNC : 0), 0644));
  if (!fd) return std::unexpected(Error::from_errno(errno, path));
  const ssize_t written = ::write(fd.get(), text.data(), text.size());
  if (written != static_cast<ssize_t>(text.size()))
    return std::unexpected(Error::from_errno(written < 0 ? errno : EIO, path));
  return {};
}

}  // namespace weft::capture
