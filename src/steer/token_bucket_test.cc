#include "steer/token_bucket.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace weft::steer {
namespace {

constexpr Instant kStart{1'000'000'000'000};

TEST(TokenBucket, GivesItsBurstAtOnceAndThenWhatGrows) {
  TokenBucket bucket;
  const TokenRate rate = TokenRate::of(10, Duration::seconds(1), 3);  // one in 100 ms
  for (uint64_t left : {2, 1, 0}) {
    const auto taken = bucket.take(rate, kStart);
    EXPECT_TRUE(taken.granted);
    EXPECT_EQ(taken.left, left);
  }
  auto refused = bucket.take(rate, kStart);
  EXPECT_FALSE(refused.granted);
  EXPECT_EQ(refused.until, Duration::millis(100));
  refused = bucket.take(rate, kStart + Duration::millis(99));
  EXPECT_FALSE(refused.granted);
  EXPECT_EQ(refused.until, Duration::millis(1));
  EXPECT_TRUE(bucket.take(rate, kStart + Duration::millis(100)).granted);
  EXPECT_FALSE(bucket.take(rate, kStart + Duration::millis(100)).granted);
  // 250 ms later two have grown and half a third.
  EXPECT_EQ(bucket.take(rate, kStart + Duration::millis(350)).left, 1u);
  EXPECT_EQ(bucket.take(rate, kStart + Duration::millis(350)).left, 0u);
  EXPECT_EQ(bucket.take(rate, kStart + Duration::millis(350)).until, Duration::millis(50));
}

TEST(TokenBucket, IsFullAfterRestAndNeverMore) {
  TokenBucket bucket;
  const TokenRate rate = TokenRate::of(2, Duration::seconds(1), 4);
  EXPECT_EQ(bucket.take(rate, kStart).left, 3u);
  const auto taken = bucket.take(rate, kStart + Duration::hours(5));
  EXPECT_EQ(taken.left, 3u);
  EXPECT_EQ(taken.until, Duration::millis(500));
}

TEST(TokenBucket, OfARefusedRequestTakesNothing) {
  TokenBucket bucket;
  const TokenRate rate = TokenRate::of(1, Duration::seconds(1), 1);
  EXPECT_TRUE(bucket.take(rate, kStart).granted);
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(bucket.take(rate, kStart).granted);
  EXPECT_TRUE(bucket.take(rate, kStart + Duration::seconds(1)).granted);
}

TEST(TokenBucket, GivesBackWhatWasTaken) {
  TokenBucket bucket;
  const TokenRate rate = TokenRate::of(1, Duration::minutes(1), 2);
  EXPECT_EQ(bucket.take(rate, kStart).left, 1u);
  bucket.give_back(rate);
  EXPECT_EQ(bucket.take(rate, kStart).left, 1u);
  EXPECT_EQ(bucket.take(rate, kStart).left, 0u);
}

TEST(TokenBucket, OfRateNoughtIsEmptyForEver) {
  TokenBucket bucket;
  const TokenRate rate = TokenRate::of(0, Duration::seconds(1), 100);
  EXPECT_FALSE(bucket.take(rate, kStart).granted);
  EXPECT_FALSE(bucket.take(rate, kStart + Duration::hours(24 * 365)).granted);
}

TEST(TokenBucket, HasNoOverflowAtTheEdgesOfItsNumbers) {
  for (uint32_t tokens : {1u, 4'294'967'295u}) {
    for (Duration per : {Duration::nanos(1), Duration::hours(24 * 365)}) {
      const TokenRate rate = TokenRate::of(tokens, per, 4'294'967'295u);
      EXPECT_GE(rate.token_ns, 1);
      EXPECT_GE(rate.full_ns, rate.token_ns);
      TokenBucket bucket;
      EXPECT_TRUE(bucket.take(rate, {INT64_MAX / 2}).granted);
    }
  }
}

TEST(TokenBucket, GivesNoTokenTwiceWhateverTheThreads) {
  TokenBucket bucket;
  const TokenRate rate = TokenRate::of(1, Duration::hours(1), 10'000);
  std::atomic<int> granted{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 5'000; ++k) granted += bucket.take(rate, kStart).granted;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(granted, 10'000);
}

}  // namespace
}  // namespace weft::steer
