#include "telemetry/rotating_file.h"

#include <gtest/gtest.h>

#include <map>

namespace weft::telemetry {
namespace {

struct FakeClock : Clock {
  Instant now() const override { return instant; }
  WallTime wall_now() const override { return {}; }
  Instant instant;
};

// A disk of strings that can be told to refuse appends.
struct StringDisk : io::Disk {
  struct File : io::AppendFile {
    File(StringDisk& disk, std::string path) : disk(disk), path(std::move(path)) {}
    Result<> append(std::string_view bytes) override {
      if (disk.full) return fail(ErrorKind::kIo, "no space left on device");
      disk.files[path] += bytes;
      return {};
    }
    uint64_t size() const override { return disk.files[path].size(); }
    Result<> sync() override { return {}; }
    StringDisk& disk;
    std::string path;
  };
  Result<std::string> read(const std::string& path) override { return files[path]; }
  Result<> write_atomic(const std::string& path, std::string_view bytes, uint32_t) override {
    files[path] = bytes;
    return {};
  }
  Result<std::unique_ptr<io::AppendFile>> append_open(const std::string& path) override {
    files[path];
    return std::make_unique<File>(*this, path);
  }
  Result<> rename(const std::string& from, const std::string& to) override {
    if (!files.contains(from)) return fail(ErrorKind::kNotFound, from);
    files[to] = files[from];
    files.erase(from);
    return {};
  }
  Result<> remove(const std::string& path) override {
    files.erase(path);
    return {};
  }
  Result<> make_dirs(const std::string&, uint32_t) override { return {}; }
  Result<std::vector<std::string>> list(const std::string&) override {
    return std::vector<std::string>{};
  }

  std::map<std::string, std::string> files;
  bool full = false;
};

TEST(RotatingFile, KeepsTheNewestLinesInABoundedNumberOfFiles) {
  StringDisk disk;
  FakeClock clock;
  RotatingFile file(disk, clock, "log", {.file_bytes = 10, .files = 3});
  for (const char* line : {"aaaa\n", "bbbb\n", "cccc\n", "dddd\n", "eeee\n", "ffff\n", "gggg\n"}) {
    file.write(line);
  }
  EXPECT_EQ(disk.files.size(), 3u);
  EXPECT_EQ(disk.files["log"], "gggg\n");
  EXPECT_EQ(disk.files["log.1"], "eeee\nffff\n");
  EXPECT_EQ(disk.files["log.2"], "cccc\ndddd\n");
}

TEST(RotatingFile, AFullDiskDropsAndCountsAndLoggingComesBack) {
  StringDisk disk;
  FakeClock clock;
  RotatingFile file(disk, clock, "log");
  disk.full = true;
  file.write("one\n");
  file.write("two\n");
  EXPECT_EQ(file.dropped_bytes(), 8u);
  disk.full = false;
  file.write("still waiting\n");  // not tried again before a second has passed
  EXPECT_EQ(file.dropped_bytes(), 22u);
  clock.instant = clock.instant + Duration::seconds(1);
  file.write("three\n");
  EXPECT_EQ(disk.files["log"], "three\n");
}

}  // namespace
}  // namespace weft::telemetry
