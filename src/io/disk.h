// Disk: the files Weft keeps (state, caches, logs), behind an interface so that a simulated disk can
// be full, fail to sync, or lose what was not synced in a crash. Calls block; use it for small files and
// off the request path. Paths are the real ones. Thread-safe as the kernel is (the simulated disk
// belongs to one thread).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weft::io {

// An open file that only grows. Closed by destruction.
class AppendFile {
 public:
  virtual ~AppendFile() = default;
  // All or an error; after an error a part may have been written.
  virtual Result<> append(std::string_view bytes) = 0;
  // Bytes in the file now.
  virtual uint64_t size() const = 0;
  // Returns when all of it would survive a power cut.
  virtual Result<> sync() = 0;
};

class Disk {
 public:
  virtual ~Disk() = default;

  // The whole file; kNotFound when there is none.
  virtual Result<std::string> read(const std::string& path) = 0;
  // After it returns, also after a crash, the file has the new content; before that the old one. Written to
  // a temporary file beside it, synced, renamed, directory synced. `mode` holds whatever the umask is.
  virtual Result<> write_atomic(const std::string& path, std::string_view bytes, uint32_t mode) = 0;
  // Made when missing, with mode 0640.
  virtual Result<std::unique_ptr<AppendFile>> append_open(const std::string& path) = 0;
  // Replaces `to`.
  virtual Result<> rename(const std::string& from, const std::string& to) = 0;
  // Files only; kNotFound when there is none.
  virtual Result<> remove(const std::string& path) = 0;
  // All that are missing; those made get `mode`. Fine when it exists.
  virtual Result<> make_dirs(const std::string& path, uint32_t mode) = 0;
  // Names of files and directories in it, sorted, without "." and "..".
  virtual Result<std::vector<std::string>> list(const std::string& path) = 0;
};

}  // namespace weft::io
