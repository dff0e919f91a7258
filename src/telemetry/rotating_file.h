// A log file that cannot fill the disk: past a size it is renamed FILE.1 (FILE.1 becomes FILE.2 and so
// on) and the oldest goes. A disk that refuses never stops anything: what could not be written is
// counted and dropped, and writing is tried again later.
// Single-threaded; drives io::Disk, which blocks: call it from the main loop, not from a worker.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/time.h"
#include "io/disk.h"

namespace weft::telemetry {

struct RotationLimits {
  uint64_t file_bytes = 10 * 1024 * 1024;
  int files = 3;  // the current one and the old ones
};

class RotatingFile {
 public:
  // The disk and the clock outlive it. Nothing is opened before the first write.
  RotatingFile(io::Disk& disk, const Clock& clock, std::string path, RotationLimits limits = {});
  // Whole lines with their newlines.
  void write(std::string_view lines);
  // Bytes that could not be written.
  uint64_t dropped_bytes() const { return dropped_bytes_; }

 private:
  Result<> ensure_open();
  void rotate();

  io::Disk& disk_;
  const Clock& clock_;
  const std::string path_;
  const RotationLimits limits_;
  std::unique_ptr<io::AppendFile> file_;
  Instant retry_at_;
  uint64_t dropped_bytes_ = 0;
};

}  // namespace weft::telemetry
