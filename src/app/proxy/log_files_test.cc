#include "app/proxy/log_files.h"

#include <gtest/gtest.h>

#include "sim/disk.h"
#include "sim/world.h"

namespace weft::app {
namespace {

constexpr uint64_t kMegabyte = 1024 * 1024;

size_t size_of(sim::SimDisk& disk, const std::string& path) {
  auto content = disk.read(path);
  return content ? content->size() : 0;
}

TEST(RotatedFile, KeepsItselfAndThreeBeforeItWithinTheirBound) {
  sim::SimDisk disk;
  RotatedFile file(disk, "/log");
  for (int i = 0; i < 60; ++i)
    ASSERT_TRUE(file.append(std::string(kMegabyte, static_cast<char>('a' + i % 26))));
  for (const char* path : {"/log", "/log.1", "/log.2", "/log.3"}) {
    EXPECT_GT(size_of(disk, path), 0u) << path;
    EXPECT_LE(size_of(disk, path), RotatedFile::kMost) << path;
  }
  EXPECT_FALSE(disk.read("/log.4"));
  // The last megabyte is where it should be, and what went before it a file further.
  EXPECT_EQ(disk.read("/log")->back(), 'a' + 59 % 26);
  EXPECT_EQ(disk.read("/log.1")->size(), RotatedFile::kMost);
}

TEST(RotatedFile, NeverCutsLinesThatWereGivenTogether) {
  sim::SimDisk disk;
  RotatedFile file(disk, "/log");
  ASSERT_TRUE(file.append(std::string(RotatedFile::kMost - 3, 'x')));
  ASSERT_TRUE(file.append("whole\n"));
  EXPECT_EQ(*disk.read("/log"), "whole\n");
}

TEST(RotatedFile, GoesOnInTheFileOfTheSidecarBefore) {
  sim::SimDisk disk;
  ASSERT_TRUE(RotatedFile(disk, "/log").append("before\n"));
  ASSERT_TRUE(RotatedFile(disk, "/log").append("after\n"));
  EXPECT_EQ(*disk.read("/log"), "before\nafter\n");
}

TEST(RotatedFile, DropsWhatAFullDiskDoesNotTakeAndGoesOnWhenItDoes) {
  sim::SimDisk disk;
  RotatedFile file(disk, "/log");
  disk.set_capacity(10);
  EXPECT_TRUE(file.append("12345678\n"));
  EXPECT_FALSE(file.append("too much\n"));
  disk.set_capacity(kMegabyte);
  EXPECT_TRUE(file.append("again\n"));
  EXPECT_TRUE(disk.read("/log")->ends_with("again\n"));
}

TEST(LogFiles, AreWrittenAFewTimesASecondAndCountWhatIsLost) {
  sim::World world(3);
  sim::Node& node = world.node("proxy");
  sim::SimDisk disk;
  LogFiles files(node.loop(), disk, "/state");
  files.sink().write(LogLevel::kInfo, "one");
  EXPECT_FALSE(disk.read("/state/proxy.log"));
  world.run_for(Duration::millis(300));
  EXPECT_EQ(*disk.read("/state/proxy.log"), "one\n");

  disk.set_capacity(4);
  files.sink().write(LogLevel::kInfo, "two");
  world.run_for(Duration::millis(300));
  EXPECT_EQ(files.dropped(), 1u);
}

TEST(QueueSink, HoldsAtMostAMegabyte) {
  QueueSink sink;
  for (int i = 0; i < 3000; ++i) sink.write(LogLevel::kInfo, std::string(1023, 'x'));
  EXPECT_EQ(sink.drain().size(), kMegabyte);
  EXPECT_EQ(sink.drain(), "");
}

}  // namespace
}  // namespace weft::app
