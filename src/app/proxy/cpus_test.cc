#include "app/proxy/cpus.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>

namespace weft::app {
namespace {

// A root directory with these files.
class CpuQuota : public testing::Test {
 protected:
  ~CpuQuota() override { std::filesystem::remove_all(root_); }
  double quota(const std::map<std::string, std::string>& files) {
    std::filesystem::remove_all(root_);
    for (const auto& [name, text] : files) {
      const std::filesystem::path file = root_ + name;
      std::filesystem::create_directories(file.parent_path());
      std::ofstream(file) << text;
    }
    return cpu_quota(root_);
  }

 private:
  const std::string root_ = testing::TempDir() + "weft-cpu-quota";
};

TEST_F(CpuQuota, VersionTwoIsTheLeastOfTheGroupAndThoseAbove) {
  EXPECT_DOUBLE_EQ(quota({{"/proc/self/cgroup", "0::/shop/cart\n"},
                          {"/sys/fs/cgroup/shop/cart/cpu.max", "250000 100000\n"},
                          {"/sys/fs/cgroup/shop/cpu.max", "max 100000\n"}}),
                   2.5);
  EXPECT_DOUBLE_EQ(quota({{"/proc/self/cgroup", "0::/shop/cart\n"},
                          {"/sys/fs/cgroup/shop/cart/cpu.max", "max 100000\n"},
                          {"/sys/fs/cgroup/shop/cpu.max", "50000 100000\n"}}),
                   0.5);
}

TEST_F(CpuQuota, AContainerSeesItsGroupAsTheRoot) {
  EXPECT_DOUBLE_EQ(
      quota({{"/proc/self/cgroup", "0::/\n"}, {"/sys/fs/cgroup/cpu.max", "300000 100000\n"}}), 3);
}

TEST_F(CpuQuota, VersionOneIsReadWhereTheCpuControllerIs) {
  EXPECT_DOUBLE_EQ(quota({{"/proc/self/cgroup", "5:memory:/a\n4:cpu,cpuacct:/docker/7f\n0::/\n"},
                          {"/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "150000\n"},
                          {"/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"}}),
                   1.5);
  EXPECT_DOUBLE_EQ(quota({{"/proc/self/cgroup", "4:cpu,cpuacct:/\n"},
                          {"/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"},
                          {"/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"}}),
                   0);
}

TEST_F(CpuQuota, WhatCannotBeReadIsNoLimit) {
  EXPECT_EQ(quota({}), 0);
  EXPECT_EQ(quota({{"/proc/self/cgroup", "0::/a\nrubbish\n"}, {"/sys/fs/cgroup/a/cpu.max", "x"}}),
            0);
}

TEST(Workers, AGatewayHasOneForEachCpuUpToFourAndASidecarOne) {
  EXPECT_GE(usable_cpus(), 1u);
  EXPECT_EQ(default_workers(false, 16), 1u);
  EXPECT_EQ(default_workers(true, 1), 1u);
  EXPECT_EQ(default_workers(true, 3), 3u);
  EXPECT_EQ(default_workers(true, 16), 4u);
}

}  // namespace
}  // namespace weft::app
