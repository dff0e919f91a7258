#include "io/real_disk.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>

namespace weft::io {
namespace {

class RealDiskTest : public testing::Test {
 protected:
  RealDiskTest() {
    std::string pattern = testing::TempDir() + "weft-disk-XXXXXX";
    root = mkdtemp(pattern.data());
  }
  ~RealDiskTest() override { std::filesystem::remove_all(root); }
  uint32_t mode_of(const std::string& path) {
    struct stat status{};
    EXPECT_EQ(stat(path.c_str(), &status), 0) << path;
    return status.st_mode & 07777;
  }
  std::string root;
  RealDisk disk;
};

TEST_F(RealDiskTest, ReplacesAFileWholeWithItsModeAndLeavesNoTemporary) {
  const std::string path = root + "/state";
  ASSERT_TRUE(disk.write_atomic(path, "one", 0600).has_value());
  const std::string large(300'000, 'x');
  ASSERT_TRUE(disk.write_atomic(path, large, 0640).has_value());
  EXPECT_EQ(*disk.read(path), large);
  EXPECT_EQ(mode_of(path), 0640u);
  EXPECT_EQ(*disk.list(root), (std::vector<std::string>{"state"}));
}

TEST_F(RealDiskTest, AFailedReplacementLeavesNothingBehind) {
  ASSERT_TRUE(disk.make_dirs(root + "/taken/inside", 0700).has_value());
  EXPECT_FALSE(disk.write_atomic(root + "/taken", "x", 0600).has_value());
  EXPECT_EQ(*disk.list(root), (std::vector<std::string>{"taken"}));
  EXPECT_EQ(disk.write_atomic(root + "/no/such", "x", 0600).error().kind(), ErrorKind::kNotFound);
}

TEST_F(RealDiskTest, AppendsBehindWhatIsThere) {
  const std::string path = root + "/log";
  {
    auto file = *disk.append_open(path);
    ASSERT_TRUE(file->append("one ").has_value());
    EXPECT_EQ(file->size(), 4u);
  }
  auto file = *disk.append_open(path);
  EXPECT_EQ(file->size(), 4u);
  ASSERT_TRUE(file->append("two").has_value());
  ASSERT_TRUE(file->sync().has_value());
  EXPECT_EQ(*disk.read(path), "one two");
}

TEST_F(RealDiskTest, MakesMissingDirectoriesOnly) {
  ASSERT_TRUE(disk.make_dirs(root + "/a/b/c", 0700).has_value());
  ASSERT_TRUE(disk.make_dirs(root + "/a/b/c", 0700).has_value());
  EXPECT_EQ(mode_of(root + "/a/b"), 0700u);
  ASSERT_TRUE(disk.write_atomic(root + "/file", "", 0600).has_value());
  EXPECT_FALSE(disk.make_dirs(root + "/file/x", 0700).has_value());
}

TEST_F(RealDiskTest, RenamesRemovesAndSaysWhatIsMissing) {
  ASSERT_TRUE(disk.write_atomic(root + "/a", "A", 0600).has_value());
  ASSERT_TRUE(disk.write_atomic(root + "/b", "B", 0600).has_value());
  ASSERT_TRUE(disk.rename(root + "/a", root + "/b").has_value());
  EXPECT_EQ(*disk.read(root + "/b"), "A");
  ASSERT_TRUE(disk.remove(root + "/b").has_value());
  EXPECT_EQ(disk.remove(root + "/b").error().kind(), ErrorKind::kNotFound);
  EXPECT_EQ(disk.read(root + "/b").error().kind(), ErrorKind::kNotFound);
  EXPECT_EQ(disk.list(root + "/b").error().kind(), ErrorKind::kNotFound);
}

}  // namespace
}  // namespace weft::io
