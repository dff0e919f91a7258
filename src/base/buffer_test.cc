#include "base/buffer.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "base/random.h"

namespace weft {
namespace {

TEST(Buffer, AppendsAtTheBackAndConsumesAtTheFront) {
  Buffer buffer("hello ");
  buffer.append("world");
  buffer.append('!');
  EXPECT_EQ(buffer.view(), "hello world!");
  buffer.consume(6);
  EXPECT_EQ(buffer.view(), "world!");
  EXPECT_EQ(buffer.size(), 6u);
}

TEST(Buffer, TakesTheWholeWithoutACopy) {
  Buffer buffer("abcdef");
  const char* const where = buffer.data();
  Buffer all = buffer.take(6);
  EXPECT_EQ(all.data(), where);
  EXPECT_TRUE(buffer.empty());
  buffer.append("reusable");
  EXPECT_EQ(buffer.view(), "reusable");
  Buffer front = all.take(2);
  EXPECT_EQ(front.view(), "ab");
  EXPECT_EQ(all.view(), "cdef");
}

TEST(Buffer, AppendingABufferToAnEmptyOneMovesIt) {
  Buffer other("payload");
  const char* const where = other.data();
  Buffer empty;
  empty.append(std::move(other));
  EXPECT_EQ(empty.data(), where);
  Buffer more("!");
  empty.append(std::move(more));
  EXPECT_EQ(empty.view(), "payload!");
  EXPECT_TRUE(more.empty());  // NOLINT(bugprone-use-after-move): emptied by contract
}

TEST(Buffer, PreparedRoomBecomesContentOnCommit) {
  Buffer buffer("ab");
  const auto room = buffer.prepare(1000);
  ASSERT_GE(room.size(), 1000u);
  std::memcpy(room.data(), "cd", 2);
  EXPECT_EQ(buffer.view(), "ab");
  buffer.commit(2);
  EXPECT_EQ(buffer.view(), "abcd");
}

TEST(Buffer, GivesItsMemoryBackOnlyWhenEmpty) {
  Buffer buffer("x");
  buffer.release_if_empty();
  EXPECT_EQ(buffer.view(), "x");
  buffer.consume(1);
  buffer.release_if_empty();
  EXPECT_EQ(buffer.data(), nullptr);
  buffer.append("again");
  EXPECT_EQ(buffer.view(), "again");
}

TEST(Buffer, BehavesLikeAStringUnderRandomUse) {
  SeededRandom random(42);
  Buffer buffer;
  std::string model;
  for (int i = 0; i < 20'000; ++i) {
    const size_t size = random.below(random.below(10) == 0 ? 5000 : 60);
    switch (random.below(4)) {
      case 0:
      case 1: {
        const std::string piece(size, static_cast<char>('a' + i % 26));
        buffer.append(piece);
        model += piece;
        break;
      }
      case 2: {
        const size_t n = std::min(size, model.size());
        buffer.consume(n);
        model.erase(0, n);
        break;
      }
      default: {
        const size_t n = std::min(size, model.size());
        EXPECT_EQ(buffer.take(n).view(), model.substr(0, n));
        model.erase(0, n);
      }
    }
    ASSERT_EQ(buffer.view(), model) << i;
  }
}

}  // namespace
}  // namespace weft
