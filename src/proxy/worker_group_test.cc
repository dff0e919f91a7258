#include "proxy/worker_group.h"

#include <gtest/gtest.h>

#include <latch>
#include <thread>

namespace weft::proxy {
namespace {

// Accepts `count` connections by worker `self` and says who got how many.
std::vector<size_t> given(WorkerGroup& group, size_t self, Door door, int count,
                          std::vector<io::Tally>& held) {
  std::vector<size_t> by_worker(group.size());
  for (int i = 0; i < count; ++i) {
    WorkerGroup::Place place = group.place(self, door);
    ++by_worker[place.worker];
    held.push_back(std::move(place.tally));
  }
  return by_worker;
}

TEST(WorkerGroup, WhoeverAcceptsConnectionsAreSpreadEvenly) {
  WorkerGroup group(3);
  std::vector<io::Tally> held;
  EXPECT_EQ(given(group, 1, Door::kApp, 30, held), (std::vector<size_t>{10, 10, 10}));
  EXPECT_EQ(group.connections(0), 10u);
  held.clear();
  EXPECT_EQ(group.connections(0), 0u);
}

TEST(WorkerGroup, AWorkerKeepsWhatNobodyElseWouldServeSooner) {
  WorkerGroup group(2);
  for (size_t self : {0u, 1u, 0u}) EXPECT_EQ(group.place(self, Door::kApp).worker, self);
}

TEST(WorkerGroup, DoorsAreSpreadApart) {
  WorkerGroup group(2);
  std::vector<io::Tally> app, mesh;
  for (int i = 0; i < 50; ++i) app.push_back(io::Tally(group.place(0, Door::kApp).tally));
  const std::vector<size_t> of_mesh = given(group, 0, Door::kMesh, 2, mesh);
  EXPECT_EQ(of_mesh, (std::vector<size_t>{1, 1}));
}

TEST(WorkerGroup, OfEqualsOfADoorTheLessBusyIsChosen) {
  WorkerGroup group(2);
  WorkerGroup::Place app = group.place(0, Door::kApp);
  ASSERT_EQ(app.worker, 0u);
  EXPECT_EQ(group.place(0, Door::kMesh).worker, 1u);
}

TEST(WorkerGroup, AnOverloadedWorkerGetsNothingWhileAnotherTakes) {
  WorkerGroup group(2);
  std::vector<io::Tally> held;
  EXPECT_TRUE(group.take(0, false));
  EXPECT_EQ(given(group, 0, Door::kApp, 4, held), (std::vector<size_t>{0, 4}));
  EXPECT_FALSE(group.take(1, false));
  EXPECT_EQ(given(group, 0, Door::kApp, 6, held), (std::vector<size_t>{5, 1}));
  EXPECT_TRUE(group.take(0, true));
}

TEST(UpstreamBounds, EveryWorkerMayHaveOneConnectionAndAllTogetherNoMoreThanTheBound) {
  UpstreamBounds bounds(4);
  auto counts = bounds.of({.instance = "cart-1", .address = {}, .identity = {}, .app_port = 80});
  std::vector<io::Tally> further;
  while (auto one = bounds.connect_further(*counts)) further.push_back(std::move(*one));
  EXPECT_EQ(further.size() + 4, 256u);
  further.pop_back();
  EXPECT_TRUE(bounds.connect_further(*counts));
}

TEST(UpstreamBounds, ATargetHasOneCountForAllWorkersAsLongAsItIsHeld) {
  UpstreamBounds bounds(2);
  const UpstreamTarget cart{.instance = "cart-1", .address = {}, .identity = {}, .app_port = 80};
  const UpstreamTarget web{.instance = "web-1", .address = {}, .identity = {}, .app_port = 80};
  auto mine = bounds.of(cart);
  auto waits = UpstreamBounds::wait(*mine);
  EXPECT_EQ(bounds.of(cart)->waiting.load(), 1u);
  EXPECT_EQ(bounds.of(web)->waiting.load(), 0u);
  waits.reset();
  mine.reset();
  EXPECT_EQ(bounds.of(cart)->waiting.load(), 0u);
}

TEST(UpstreamBounds, WhoMeetsAtTheBoundIsNeverLetThroughTwice) {
  UpstreamBounds bounds(2);
  auto counts = bounds.of({});
  std::atomic<int> waiting{0};
  std::latch both(2);
  auto wait = [&] {
    std::vector<io::Tally> held;
    for (int i = 0; i < 9'000; ++i)
      if (auto one = UpstreamBounds::wait(*counts)) held.push_back(std::move(*one));
    waiting += static_cast<int>(held.size());
    both.arrive_and_wait();
  };
  std::thread first(wait), second(wait);
  first.join();
  second.join();
  EXPECT_LE(waiting.load(), 10'000);
  EXPECT_GE(waiting.load(), 9'000);
  EXPECT_EQ(counts->waiting.load(), 0u);
}

}  // namespace
}  // namespace weft::proxy
