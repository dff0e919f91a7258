#include "app/weft/run_state.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>
#include <vector>

namespace weft::app {
namespace {

namespace fs = std::filesystem;

class RunState : public testing::Test {
 protected:
  RunState() {
    char folder[] = "/tmp/weft-state-test-XXXXXX";
    state_ = ::mkdtemp(folder);
    instances_ = *make_instances_dir(state_);
  }
  ~RunState() override { fs::remove_all(state_); }

  // An instance that has ended, `minutes` ago.
  void ended(const std::string& name, int minutes) {
    {
      auto directory = make_instance_dir(instances_, name);
      ASSERT_TRUE(directory) << directory.error().message();
      std::ofstream(directory->path + "/proxy.log") << "line\n";
    }
    age(name, minutes);
  }
  void age(const std::string& name, int minutes) {
    fs::last_write_time(fs::path(instances_) / name,
                        fs::file_time_type::clock::now() - std::chrono::minutes(minutes));
  }
  std::set<std::string> names() const {
    std::set<std::string> found;
    for (const auto& entry : fs::directory_iterator(instances_))
      found.insert(entry.path().filename());
    return found;
  }

  std::string state_, instances_;
};

TEST_F(RunState, KeepsThoseOfTheTwentyThatEndedLast) {
  for (int i = 1; i <= 25; ++i) ended("old-" + std::to_string(i), i);
  auto mine = make_instance_dir(instances_, "mine");
  ASSERT_TRUE(mine);
  std::set<std::string> wanted{"mine"};
  for (int i = 1; i <= 20; ++i) wanted.insert("old-" + std::to_string(i));
  EXPECT_EQ(names(), wanted);
}

TEST_F(RunState, NeverRemovesThatOfALiveInstanceNorCountsIt) {
  std::vector<InstanceDirectory> live;
  for (int i = 0; i < 30; ++i) {
    auto directory = make_instance_dir(instances_, "live-" + std::to_string(i));
    ASSERT_TRUE(directory);
    live.push_back(std::move(*directory));
    age("live-" + std::to_string(i), 1000);
  }
  for (int i = 1; i <= 21; ++i) ended("old-" + std::to_string(i), i);
  ASSERT_TRUE(make_instance_dir(instances_, "mine"));
  const auto found = names();
  EXPECT_EQ(found.size(), 30u + 20u + 1u);
  EXPECT_TRUE(found.contains("live-29"));
  EXPECT_TRUE(found.contains("old-20"));
  EXPECT_FALSE(found.contains("old-21"));
}

TEST_F(RunState, RefusesASecondInstanceOfOneName) {
  auto first = make_instance_dir(instances_, "web-1");
  ASSERT_TRUE(first);
  auto second = make_instance_dir(instances_, "web-1");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind(), ErrorKind::kConflict);
  first->lock.close();
  EXPECT_TRUE(make_instance_dir(instances_, "web-1"));
}

TEST_F(RunState, ManyStartsAtOnceLeaveEachOthersDirectoriesAlone) {
  std::vector<pid_t> starts;
  for (int process = 0; process < 4; ++process) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      std::vector<InstanceDirectory> live;
      for (int i = 0; i < 50; ++i) {
        const std::string name = std::to_string(process) + "-" + std::to_string(i);
        auto directory = make_instance_dir(instances_, name);
        if (!directory) ::_exit(1);
        std::ofstream(directory->path + "/proxy.log") << name;
        // Every third lives on.
        if (i % 3 == 0) live.push_back(std::move(*directory));
      }
      for (const InstanceDirectory& directory : live)
        if (!fs::exists(directory.path + "/proxy.log")) ::_exit(2);
      ::_exit(0);
    }
    starts.push_back(child);
  }
  for (const pid_t child : starts) {
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(WEXITSTATUS(status), 0);
  }
  EXPECT_LE(names().size(), 4u * 17u + 20u + 4u);
}

}  // namespace
}  // namespace weft::app
