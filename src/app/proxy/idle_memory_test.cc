#include "app/proxy/idle_memory.h"

#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <string>
#include <vector>

namespace weft::app {
namespace {

TEST(IdleWatch, SaysOnceThatTheProcessHasBecomeIdle) {
  IdleWatch watch;
  EXPECT_FALSE(watch.became_idle(Duration::millis(80))) << "the start took its time";
  EXPECT_TRUE(watch.became_idle(Duration::millis(82)));
  EXPECT_FALSE(watch.became_idle(Duration::millis(84)));
  EXPECT_FALSE(watch.became_idle(Duration::millis(900))) << "traffic";
  EXPECT_TRUE(watch.became_idle(Duration::millis(930)));
  EXPECT_FALSE(watch.became_idle(Duration::millis(930)));
}

size_t resident_kilobytes(const char* what) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(what)) return std::stoul(line.substr(line.find(':') + 1));
  return 0;
}

TEST(ReleaseIdleMemory, ShrinksTheProcessAndEverythingStillWorks) {
  {
    // Small pieces, so that the allocator keeps what is freed.
    std::vector<std::unique_ptr<std::string>> burst;
    for (int i = 0; i < 50'000; ++i) burst.push_back(std::make_unique<std::string>(200, 'x'));
  }
  const size_t file_before = resident_kilobytes("RssFile");
  ASSERT_GT(file_before, 0u);
  release_idle_memory();
  EXPECT_LT(resident_kilobytes("RssFile"), file_before);
  EXPECT_EQ(std::to_string(12.5), "12.500000");
}

}  // namespace
}  // namespace weft::app
