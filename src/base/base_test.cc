// The small value types: addresses, errors, random numbers, hashes, time.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <set>
#include <unordered_set>

#include "base/assert.h"
#include "base/fd.h"
#include "base/hash.h"
#include "base/ip.h"
#include "base/random.h"
#include "base/result.h"
#include "base/time.h"

#include <fcntl.h>
#include <unistd.h>

namespace weft {
namespace {

TEST(IpAddress, ParsesAndPrintsAsRfc5952Says) {
  struct Case {
    const char* text;
    const char* canonical;
  };
  for (const Case& c : {Case{"240.240.0.9", "240.240.0.9"}, Case{"0.0.0.0", "0.0.0.0"},
                        Case{"2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"}, Case{"::", "::"},
                        Case{"fd00:0::0009", "fd00::9"}, Case{"::ffff:10.0.0.1", "10.0.0.1"}}) {
    const auto ip = IpAddress::parse(c.text);
    ASSERT_TRUE(ip.has_value()) << c.text;
    EXPECT_EQ(ip->to_string(), c.canonical);
  }
  for (const char* bad :
       {"", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.4 ", ":::", "cart", "[::1]"}) {
    EXPECT_FALSE(IpAddress::parse(bad).has_value()) << bad;
  }
}

TEST(IpAddress, BytesGoBothWays) {
  const IpAddress four = IpAddress::v4(0x0a000001);
  EXPECT_EQ(four.to_bytes(), std::string("\x0a\x00\x00\x01", 4));
  EXPECT_EQ(IpAddress::from_bytes(four.to_bytes()), four);
  EXPECT_EQ(four.v4_value(), 0x0a000001u);
  const IpAddress six = *IpAddress::parse("fd00::9");
  EXPECT_EQ(six.to_bytes().size(), 16u);
  EXPECT_EQ(IpAddress::from_bytes(six.to_bytes()), six);
  EXPECT_FALSE(IpAddress::from_bytes("12345").has_value());
}

TEST(IpAddress, KnowsLoopbackAndUnspecified) {
  EXPECT_TRUE(IpAddress::parse("127.8.9.1")->is_loopback());
  EXPECT_TRUE(IpAddress::parse("::1")->is_loopback());
  EXPECT_FALSE(IpAddress::parse("128.0.0.1")->is_loopback());
  EXPECT_TRUE(IpAddress().is_unspecified());
  EXPECT_TRUE(IpAddress::parse("::")->is_unspecified());
  EXPECT_NE(IpAddress(), *IpAddress::parse("::")) << "two families, two addresses";
}

TEST(SocketAddress, ParsesWithBracketsForIpv6Only) {
  EXPECT_EQ(SocketAddress::parse("127.0.0.1:80")->to_string(), "127.0.0.1:80");
  EXPECT_EQ(SocketAddress::parse("[::1]:443")->to_string(), "[::1]:443");
  for (const char* bad : {"", "80", "127.0.0.1", "::1:80", "127.0.0.1:", "127.0.0.1:65536",
                          "127.0.0.1:8x", "[::1]", "localhost:80"}) {
    EXPECT_FALSE(SocketAddress::parse(bad).has_value()) << bad;
  }
  std::unordered_set<SocketAddress> set{*SocketAddress::parse("1.2.3.4:5")};
  EXPECT_TRUE(set.contains(*SocketAddress::parse("1.2.3.4:5")));
  EXPECT_FALSE(set.contains(*SocketAddress::parse("1.2.3.4:6")));
}

TEST(Error, ContextGoesInFrontAndKindSourceRetryStay) {
  const Error error =
      Error(ErrorKind::kRefused, "connection refused", ErrorSource::kUpstream, Retry::kYes)
          .context("at 127.0.0.1:9000")
          .context("dialling cart");
  EXPECT_EQ(error.message(), "dialling cart: at 127.0.0.1:9000: connection refused");
  EXPECT_EQ(error.kind(), ErrorKind::kRefused);
  EXPECT_EQ(error.source(), ErrorSource::kUpstream);
  EXPECT_EQ(error.retry(), Retry::kYes);
  Error copy = error;
  copy = std::move(copy).context("again");
  EXPECT_EQ(copy.message(), "again: " + error.message());
  EXPECT_EQ(sizeof(Error), sizeof(void*));
}

TEST(Error, ErrnoDecidesKindAndWhetherARetryIsSafe) {
  EXPECT_EQ(Error::from_errno(ECONNREFUSED, "x").kind(), ErrorKind::kRefused);
  EXPECT_EQ(Error::from_errno(ECONNREFUSED, "x").retry(), Retry::kYes);
  EXPECT_EQ(Error::from_errno(EPIPE, "x").kind(), ErrorKind::kReset);
  EXPECT_EQ(Error::from_errno(EPIPE, "x").retry(), Retry::kNo);
  EXPECT_EQ(Error::from_errno(EMFILE, "x").kind(), ErrorKind::kLimit);
  EXPECT_EQ(Error::from_errno(ENOENT, "opening f").message(),
            "opening f: No such file or directory");
}

TEST(SeededRandom, RepeatsFromItsSeed) {
  SeededRandom a(7);
  SeededRandom b(7);
  SeededRandom c(8);
  bool different = false;
  for (int i = 0; i < 100; ++i) {
    const uint64_t value = a.next();
    EXPECT_EQ(value, b.next());
    different |= value != c.next();
  }
  EXPECT_TRUE(different);
}

TEST(SeededRandom, IsUniformWithinItsBound) {
  SeededRandom random(1);
  int counts[10] = {};
  for (int i = 0; i < 100'000; ++i) ++counts[random.below(10)];
  for (const int count : counts)
    EXPECT_NEAR(count, 10'000, 500);  // more than 5 standard deviations
  for (int i = 0; i < 1000; ++i) {
    const double unit = random.unit();
    EXPECT_TRUE(unit >= 0 && unit < 1);
  }
}

TEST(Hash, IsXxh64AsPublished) {
  EXPECT_EQ(xxh64(""), 0xef46db3751d8e999u);
  EXPECT_EQ(xxh64("a"), 0xd24ec4f1a98c6e5bu);
  EXPECT_NE(xxh64("a", 1), xxh64("a"));
}

TEST(Time, SpansAndPointsCalculate) {
  const Instant start{1000};
  EXPECT_EQ(start + Duration::millis(2) - start, Duration::micros(2000));
  EXPECT_LT(Duration::seconds(1), Duration::minutes(1));
  EXPECT_EQ((Duration::hours(1) / 60), Duration::minutes(1));
  EXPECT_EQ(WallTime::from_unix_seconds(5).unix_seconds(), 5);
}

TEST(Fd, ClosesOnceAndMoves) {
  int raw = open("/dev/null", O_RDONLY | O_CLOEXEC);
  {
    Fd first(raw);
    Fd second = std::move(first);
    EXPECT_FALSE(first);  // NOLINT: moved-from is empty by contract
    EXPECT_EQ(second.get(), raw);
  }
  EXPECT_EQ(fcntl(raw, F_GETFD), -1);
  Fd released(open("/dev/null", O_RDONLY | O_CLOEXEC));
  raw = released.release();
  EXPECT_EQ(close(raw), 0);
}

TEST(AssertDeathTest, ABrokenInvariantSaysWhereAndAborts) {
  EXPECT_DEATH(WEFT_ASSERT(1 + 1 == 3), "broken invariant: 1 \\+ 1 == 3 .*base_test.cc");
}

}  // namespace
}  // namespace weft
