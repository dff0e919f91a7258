// Nothing is synced: a log is worth losing a second of to a power cut, not an fsync a second.
#include "app/proxy/log_files.h"

#include <utility>

namespace weft::app {
namespace {

constexpr Duration kFlushEvery = Duration::millis(250);
constexpr size_t kMostQueued = 1024 * 1024;

}  // namespace

bool RotatedFile::append(std::string_view lines) {
  if (lines.empty()) return true;
  if (file_ && file_->size() + lines.size() > kMost) rotate();
  if (!file_) {
    auto opened = disk_.append_open(path_);
    if (!opened) return false;
    file_ = std::move(*opened);
  }
  if (file_->append(lines)) return true;
  file_.reset();
  return false;
}

void RotatedFile::rotate() {
  file_.reset();
  for (int number = kKept; number > 0; --number) {
    std::string from = number == 1 ? path_ : path_ + "." + std::to_string(number - 1);
    (void)disk_.rename(from, path_ + "." + std::to_string(number));
  }
}

void QueueSink::write(LogLevel, std::string_view line) {
  std::lock_guard lock(mutex_);
  if (lines_.size() + line.size() > kMost) return;
  lines_ += line;
  lines_ += '\n';
}

std::string QueueSink::drain() {
  std::lock_guard lock(mutex_);
  return std::exchange(lines_, {});
}

LogFiles::LogFiles(io::Loop& loop, io::Disk& disk, const std::string& directory)
    : access_(kMostQueued, [this, &loop] { loop.post_remote([this] { flush_access(); }); }),
      log_file_(disk, directory + "/proxy.log"),
      access_file_(disk, directory + "/access.log"),
      timer_(loop, [this] {
        flush();
        timer_.arm(kFlushEvery);
      }) {
  timer_.arm(kFlushEvery);
}

void LogFiles::flush() {
  if (!log_file_.append(sink_.drain())) ++dropped_;
  flush_access();
}

void LogFiles::flush_access() {
  access_.drain(batch_);
  if (!access_file_.append(batch_)) ++dropped_;
}

}  // namespace weft::app
