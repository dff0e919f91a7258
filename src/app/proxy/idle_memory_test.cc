#include "app/proxy/idle_memory.h"

#include <gtest/gtest.h>
#include <malloc.h>

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

TEST(ReleaseFreeMemory, GivesBackWhatABurstLeftBehindALiveAllocation) {
  if (::mallinfo2().arena == 0) GTEST_SKIP() << "the allocator is not glibc's";
  const size_t before = resident_kilobytes("RssAnon");
  std::vector<std::unique_ptr<std::string>> burst;
  for (int i = 0; i < 100'000; ++i) burst.push_back(std::make_unique<std::string>(200, 'x'));
  // The last one stays: the heap cannot shrink at its end.
  burst.erase(burst.begin(), burst.end() - 1);
  const size_t kept = resident_kilobytes("RssAnon");
  ASSERT_GT(kept, before + 10'000);
  release_free_memory(size_t{1} << 30);
  EXPECT_GT(resident_kilobytes("RssAnon"), kept - 2'000) << "less is free than may be";
  release_free_memory(1 << 20);
  EXPECT_LT(resident_kilobytes("RssAnon"), before + 6'000);
  EXPECT_EQ(burst.front()->size(), 200u);
}

}  // namespace
}  // namespace weft::app
