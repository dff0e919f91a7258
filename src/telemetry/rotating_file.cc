// After a failed write the file is closed and opened again a second later, so a full disk costs one
// failing call a second instead of one per line, and logging comes back by itself.
#include "telemetry/rotating_file.h"

#include <utility>

namespace weft::telemetry {

namespace {
constexpr Duration kRetryAfter = Duration::seconds(1);
}  // namespace

RotatingFile::RotatingFile(io::Disk& disk, const Clock& clock, std::string path,
                           RotationLimits limits)
    : disk_(disk), clock_(clock), path_(std::move(path)), limits_(limits), retry_at_(clock.now()) {}

Result<> RotatingFile::ensure_open() {
  if (file_) return {};
  auto opened = disk_.append_open(path_);
  if (!opened) return std::unexpected(std::move(opened.error()));
  file_ = std::move(*opened);
  return {};
}

void RotatingFile::rotate() {
  file_.reset();
  // Missing older files are the normal case; a rename that fails leaves the current file growing by at
  // most one more write before the next attempt.
  for (int i = limits_.files - 1; i >= 1; --i) {
    const std::string from = i == 1 ? path_ : path_ + "." + std::to_string(i - 1);
    static_cast<void>(disk_.rename(from, path_ + "." + std::to_string(i)));
  }
  if (limits_.files <= 1) static_cast<void>(disk_.remove(path_));
}

void RotatingFile::write(std::string_view lines) {
  if (lines.empty()) return;
  if (clock_.now() < retry_at_) {
    dropped_bytes_ += lines.size();
    return;
  }
  Result<> done = ensure_open();
  if (done && file_->size() > 0 && file_->size() + lines.size() > limits_.file_bytes) {
    rotate();
    done = ensure_open();
  }
  if (done) done = file_->append(lines);
  if (done) return;
  dropped_bytes_ += lines.size();
  file_.reset();
  retry_at_ = clock_.now() + kRetryAfter;
}

}  // namespace weft::telemetry
