// Content is kept twice (seen and durable): simulated files are small, and a crash is then one copy.
#include "sim/disk.h"

#include <algorithm>
#include <utility>

namespace weft::sim {

namespace {

class SimAppendFile final : public io::AppendFile {
 public:
  SimAppendFile(SimDisk& disk, std::shared_ptr<SimFile> file)
      : disk_(disk), file_(std::move(file)), generation_(disk.generation()) {}

  Result<> append(std::string_view bytes) override {
    if (generation_ != disk_.generation()) return fail(ErrorKind::kIo, "the disk's host crashed");
    return disk_.write_at(*file_, file_->content.size(), bytes);
  }
  uint64_t size() const override { return file_->content.size(); }
  Result<> sync() override { return disk_.sync(*file_); }

 private:
  SimDisk& disk_;
  std::shared_ptr<SimFile> file_;
  uint32_t generation_;
};

}  // namespace

namespace {

void apply_change(std::string& content, const SimFile::Change& change) {
  if (change.bytes.empty()) {
    content.resize(change.offset);
    return;
  }
  const uint64_t end = change.offset + change.bytes.size();
  if (content.size() < end) content.resize(end);
  std::ranges::copy(change.bytes, content.begin() + static_cast<ptrdiff_t>(change.offset));
}

}  // namespace

void SimDisk::crash(Random* survivors) {
  ++generation_;
  for (auto it = files_.begin(); it != files_.end();) {
    const SimFile& lost = *it->second;
    std::optional<std::string> content = lost.durable;
    if (survivors) {
      for (const SimFile::Change& change : lost.unsynced) {
        if (survivors->below(2) == 0) continue;
        if (!content) content.emplace();
        apply_change(*content, change);
      }
    }
    if (!content) {
      it = files_.erase(it);
      continue;
    }
    // A new object: who still has the old one open cannot reach the disk any more.
    auto survivor = std::make_shared<SimFile>();
    survivor->content = *content;
    survivor->durable = std::move(content);
    survivor->mode = lost.mode;
    it->second = std::move(survivor);
    ++it;
  }
}

uint64_t SimDisk::used() const {
  uint64_t total = 0;
  for (const auto& [path, file] : files_) total += file->content.size();
  return total;
}

bool SimDisk::corrupt(const std::string& path, size_t at) {
  const auto file = find(path);
  if (!file || at >= file->content.size()) return false;
  file->content[at] = static_cast<char>(file->content[at] ^ 0x40);
  file->durable = file->content;
  file->unsynced.clear();
  return true;
}

std::shared_ptr<SimFile> SimDisk::find(const std::string& path) const {
  auto it = files_.find(path);
  return it == files_.end() ? nullptr : it->second;
}

std::shared_ptr<SimFile> SimDisk::open_or_make(const std::string& path) {
  auto& file = files_[path];
  if (!file) file = std::make_shared<SimFile>();
  return file;
}

Result<> SimDisk::write_at(SimFile& file, uint64_t offset, std::string_view bytes) {
  const uint64_t end = offset + bytes.size();
  const uint64_t growth = end > file.content.size() ? end - file.content.size() : 0;
  if (growth > 0 && used() + growth > capacity_) {
    return fail(ErrorKind::kLimit, "writing: No space left on device");
  }
  if (bytes.empty()) return {};
  file.unsynced.push_back({offset, std::string(bytes)});
  apply_change(file.content, file.unsynced.back());
  return {};
}

void SimDisk::truncate(SimFile& file, uint64_t size) {
  if (size == file.content.size()) return;
  file.unsynced.push_back({size, {}});
  file.content.resize(size);
}

Result<> SimDisk::sync(SimFile& file) {
  if (fail_sync_) return fail(ErrorKind::kIo, "syncing: Input/output error");
  file.durable = file.content;
  file.unsynced.clear();
  return {};
}

Result<std::string> SimDisk::read(const std::string& path) {
  const auto file = find(path);
  if (!file) return fail(ErrorKind::kNotFound, "opening " + path + ": No such file or directory");
  return file->content;
}

Result<> SimDisk::write_atomic(const std::string& path, std::string_view bytes, uint32_t mode) {
  const std::string temporary = path + ".new";
  const auto file = open_or_make(temporary);
  truncate(*file, 0);
  file->mode = mode;
  Result<> done = write_at(*file, 0, bytes);
  if (done) done = sync(*file);
  if (done) return rename(temporary, path);
  files_.erase(temporary);
  return std::unexpected(std::move(done.error()).context("writing " + path));
}

Result<std::unique_ptr<io::AppendFile>> SimDisk::append_open(const std::string& path) {
  return std::make_unique<SimAppendFile>(*this, open_or_make(path));
}

Result<> SimDisk::rename(const std::string& from, const std::string& to) {
  auto it = files_.find(from);
  if (it == files_.end())
    return fail(ErrorKind::kNotFound, "renaming " + from + ": No such file or directory");
  auto file = std::move(it->second);
  files_.erase(it);
  files_[to] = std::move(file);
  return {};
}

Result<> SimDisk::remove(const std::string& path) {
  if (files_.erase(path) > 0) return {};
  return fail(ErrorKind::kNotFound, "removing " + path + ": No such file or directory");
}

Result<> SimDisk::make_dirs(const std::string& path, uint32_t) {
  for (size_t end = path.find('/', 1); end != std::string::npos; end = path.find('/', end + 1)) {
    directories_.insert(path.substr(0, end));
  }
  directories_.insert(path);
  return {};
}

Result<std::vector<std::string>> SimDisk::list(const std::string& path) {
  const std::string prefix = path.ends_with('/') ? path : path + "/";
  std::set<std::string> names;
  const auto add = [&](const std::string& full) {
    if (full.starts_with(prefix))
      names.insert(full.substr(prefix.size(), full.find('/', prefix.size()) - prefix.size()));
  };
  for (const auto& [name, file] : files_) add(name);
  for (const auto& name : directories_) add(name);
  if (names.empty() && !directories_.contains(path)) {
    return fail(ErrorKind::kNotFound, "listing " + path + ": No such file or directory");
  }
  return std::vector(names.begin(), names.end());
}

}  // namespace weft::sim
