// The sidecar's own files: proxy.log and access.log in the instance's directory, bounded and rotated.
// Lines are queued by any thread and written by the main loop a few times a second, or when many wait, so
// that a slow or full disk never holds a request; what cannot be written is dropped and counted.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "base/log.h"
#include "io/disk.h"
#include "io/loop.h"
#include "telemetry/access_log.h"

namespace weft::app {

// NAME, and NAME.1 to NAME.3 before it, of at most kMost bytes each. Main loop only.
class RotatedFile {
 public:
  static constexpr uint64_t kMost = 8 * 1024 * 1024;
  static constexpr int kKept = 3;

  // The disk outlives the file.
  RotatedFile(io::Disk& disk, std::string path) : disk_(disk), path_(std::move(path)) {}
  // Whole lines. Returns false when they were dropped.
  bool append(std::string_view lines);

 private:
  void rotate();
  io::Disk& disk_;
  std::string path_;
  std::unique_ptr<io::AppendFile> file_;
};

// Log lines on their way to the file; any thread.
class QueueSink final : public LogSink {
 public:
  void write(LogLevel level, std::string_view line) override;
  std::string drain();

 private:
  static constexpr size_t kMost = 1024 * 1024;
  std::mutex mutex_;
  std::string lines_;
};

class LogFiles {
 public:
  LogFiles(io::Loop& loop, io::Disk& disk, const std::string& directory);
  ~LogFiles() { flush(); }

  LogSink& sink() { return sink_; }
  telemetry::LineQueue& access() { return access_; }
  void flush();
  uint64_t dropped() const { return dropped_; }

 private:
  void flush_access();

  QueueSink sink_;
  telemetry::LineQueue access_;
  RotatedFile log_file_, access_file_;
  std::string batch_;  // of access lines; its memory is used again
  io::Timer timer_;
  uint64_t dropped_ = 0;
};

}  // namespace weft::app
