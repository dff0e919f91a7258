// The store on a disk that fills up, fails to sync and loses power.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "control/store.h"
#include "sim/disk.h"
#include "sim/sqlite_vfs.h"

namespace weft::control {
namespace {

using testing::HasSubstr;

ObjectRow object(const std::string& name, int64_t generation, size_t size = 100) {
  return {.key = {"Service", "default", name},
          .uid = "u",
          .generation = generation,
          .body = std::string(size, 'x')};
}

int64_t generation_of(const Store& store, const std::string& name) {
  for (const ObjectRow& row : store.objects().value()) {
    if (row.key.name == name) return row.generation;
  }
  return 0;
}

TEST(StoreOnAFullDisk, RefusesTheChangeAndKeepsWhatItHad) {
  sim::SimDisk disk;
  sim::SqliteVfs vfs(disk, "store-full");
  auto store = Store::open({.path = "/weft.db", .vfs = vfs.name()});
  ASSERT_TRUE(store) << store.error().message();
  const ObjectRow first[] = {object("a", 1)};
  ASSERT_TRUE((*store)->apply(first, {}));
  disk.set_capacity(disk.used() + 1000);
  const ObjectRow large[] = {object("a", 2), object("b", 1, 100'000)};
  const auto refused = (*store)->apply(large, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind(), ErrorKind::kIo);
  EXPECT_THAT(refused.error().message(), HasSubstr("the disk is full: free some space; nothing was "
                                                   "changed"));
  EXPECT_EQ(generation_of(**store, "a"), 1);
  EXPECT_EQ(generation_of(**store, "b"), 0);
  EXPECT_EQ((*store)->version().value(), 1u);
  // Space again: the same change goes through, on the same store.
  disk.set_capacity(UINT64_MAX);
  ASSERT_TRUE((*store)->apply(large, {}));
  EXPECT_EQ(generation_of(**store, "a"), 2);
  EXPECT_TRUE((*store)->check_integrity());
}

TEST(StoreOnAFailingDisk, PromisesNothingItCouldNotSync) {
  sim::SimDisk disk;
  sim::SqliteVfs vfs(disk, "store-sync");
  auto store = Store::open({.path = "/weft.db", .vfs = vfs.name()});
  ASSERT_TRUE(store) << store.error().message();
  disk.fail_sync(true);
  const ObjectRow puts[] = {object("a", 1)};
  EXPECT_FALSE((*store)->apply(puts, {}));
  disk.fail_sync(false);
  ASSERT_TRUE((*store)->apply(puts, {}));
  EXPECT_EQ(generation_of(**store, "a"), 1);
}

TEST(StoreThatLosesPower, HasEveryChangeItPromisedAndNoHalfOne) {
  SeededRandom random(7);
  sim::SimDisk disk;
  sim::SqliteVfs vfs(disk, "store-power");
  int64_t promised = 0;
  for (int round = 0; round < 30; ++round) {
    auto store = Store::open({.path = "/weft.db", .vfs = vfs.name()});
    ASSERT_TRUE(store) << "round " << round << ": " << store.error().message();
    ASSERT_TRUE((*store)->check_integrity());
    const int64_t left = generation_of(**store, "left");
    EXPECT_EQ(left, generation_of(**store, "right")) << "round " << round;
    EXPECT_GE(left, promised) << "round " << round;
    promised = left;
    const uint64_t applies = random.below(20);
    for (uint64_t i = 0; i < applies; ++i) {
      const ObjectRow puts[] = {object("left", promised + 1), object("right", promised + 1, 5000)};
      ASSERT_TRUE((*store)->apply(puts, {}));
      ++promised;
    }
    // In the middle of one more, whose sync never comes back.
    disk.fail_sync(true);
    const ObjectRow puts[] = {object("left", promised + 1), object("right", promised + 1)};
    EXPECT_FALSE((*store)->apply(puts, {}));
    disk.fail_sync(false);
    disk.crash(&random);
  }
  EXPECT_GT(promised, 100);
}

}  // namespace
}  // namespace weft::control
