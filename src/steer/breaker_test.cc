#include "steer/breaker.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace weft::steer {
namespace {

TEST(Breaker, OpensAtTheBoundAndClosesWhenSomethingEnds) {
  Breaker breaker;
  auto first = breaker.take(Breaker::kRequests, 2);
  auto second = breaker.take(Breaker::kRequests, 2);
  ASSERT_TRUE(first && second);
  EXPECT_FALSE(breaker.take(Breaker::kRequests, 2));
  EXPECT_EQ(breaker.now(Breaker::kRequests), 2u);
  EXPECT_EQ(breaker.refused(Breaker::kRequests), 1u);
  first.reset();
  EXPECT_TRUE(breaker.take(Breaker::kRequests, 2));
}

TEST(Breaker, EachKindCountsForItself) {
  Breaker breaker;
  auto connection = breaker.take(Breaker::kConnections, 1);
  EXPECT_TRUE(breaker.take(Breaker::kPending, 1));
  EXPECT_FALSE(breaker.take(Breaker::kConnections, 1));
  EXPECT_EQ(breaker.refused(Breaker::kPending), 0u);
}

TEST(Breaker, WithoutABoundNothingIsCounted) {
  Breaker breaker;
  auto one = breaker.take(Breaker::kRequests, 0);
  EXPECT_TRUE(one);
  EXPECT_EQ(breaker.now(Breaker::kRequests), 0u);
}

TEST(Breaker, WhatMayAlwaysBeCountsAgainstTheRest) {
  Breaker breaker;
  io::Tally always = breaker.count(Breaker::kConnections);
  EXPECT_FALSE(breaker.take(Breaker::kConnections, 1));
}

TEST(Breaker, WorkersTogetherNeverPassTheBound) {
  constexpr uint32_t kMost = 3;
  Breaker breaker;
  std::atomic<uint32_t> held{0}, highest{0};
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 2000; ++i) {
        auto one = breaker.take(Breaker::kRequests, kMost);
        if (!one) continue;
        const uint32_t now = held.fetch_add(1) + 1;
        uint32_t seen = highest.load();
        while (now > seen && !highest.compare_exchange_weak(seen, now)) {
        }
        held.fetch_sub(1);
      }
    });
  }
  threads.clear();
  EXPECT_LE(highest.load(), kMost);
  EXPECT_GE(highest.load(), 1u);
  EXPECT_EQ(breaker.now(Breaker::kRequests), 0u);
}

}  // namespace
}  // namespace weft::steer
