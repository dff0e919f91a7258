#include "control/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace weft::control {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

constexpr WallTime kNow = WallTime::from_unix_seconds(1'800'000'000);

class StoreTest : public testing::Test {
 protected:
  StoreTest() {
    std::string name = testing::TempDir() + "weft-store-XXXXXX";
    dir_ = mkdtemp(name.data());
  }
  ~StoreTest() override { std::filesystem::remove_all(dir_); }

  std::unique_ptr<Store> open() {
    auto store = Store::open({.path = path()});
    if (!store) ADD_FAILURE() << store.error().message();
    return store ? std::move(*store) : nullptr;
  }
  std::string path() const { return dir_ + "/weft.db"; }

  std::string dir_;
};

ObjectRow object(const std::string& name, int64_t generation = 1) {
  return {.key = {"Service", "default", name},
          .uid = "u-" + name,
          .generation = generation,
          .created = kNow,
          .body = "{\"of\":\"" + name + "\"}"};
}

TEST_F(StoreTest, KeepsObjectsOverARestart) {
  {
    auto store = open();
    const ObjectRow puts[] = {object("a"), object("b", 7)};
    EXPECT_EQ(store->apply(puts, {}).value(), 1u);
    const ObjectKey deletes[] = {{"Service", "default", "a"}, {"Service", "default", "absent"}};
    EXPECT_EQ(store->apply({}, deletes).value(), 2u);
  }
  auto store = open();
  EXPECT_EQ(store->version().value(), 2u);
  const auto rows = store->objects().value();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].key.name, "b");
  EXPECT_EQ(rows[0].generation, 7);
  EXPECT_EQ(rows[0].created, kNow);
  EXPECT_EQ(rows[0].body, "{\"of\":\"b\"}");
  EXPECT_TRUE(store->check_integrity());
}

TEST_F(StoreTest, IsReadableByItsOwnerOnly) {
  auto store = open();
  struct stat info{};
  ASSERT_EQ(stat(path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(StoreTest, RollsBackATransactionThatFails) {
  auto store = open();
  const auto result = store->transact([&]() -> Result<void> {
    EXPECT_TRUE(store->set_meta({{"k", "v"}}));
    const ObjectRow puts[] = {object("a")};
    EXPECT_TRUE(store->apply(puts, {}));
    return fail(ErrorKind::kInvalid, "changed my mind");
  });
  EXPECT_EQ(result.error().message(), "changed my mind");
  EXPECT_FALSE(store->meta("k").value().has_value());
  EXPECT_THAT(store->objects().value(), IsEmpty());
  EXPECT_EQ(store->version().value(), 0u);
}

TEST_F(StoreTest, RefusesASecondServer) {
  auto first = open();
  auto second = Store::open({.path = path()});
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message(), HasSubstr("is a second server running?"));
}

TEST_F(StoreTest, SaysWhatIsWrongWithAFile) {
  std::ofstream(path()) << "this is no database, however long the text may be that stands in it";
  auto store = Store::open({.path = path()});
  ASSERT_FALSE(store);
  EXPECT_THAT(store.error().message(), HasSubstr("restore it from a copy"));
  EXPECT_EQ(store.error().kind(), ErrorKind::kIo);
  auto nowhere = Store::open({.path = dir_ + "/no/such/dir/weft.db"});
  ASSERT_FALSE(nowhere);
  EXPECT_THAT(nowhere.error().message(), HasSubstr("does the directory exist"));
}

TEST_F(StoreTest, GivesEachOwnerOneNumber) {
  auto store = open();
  const auto allocate = [&](const char* owner, WallTime now = kNow) {
    return store->allocate("service", owner, 3, now, Duration::hours(24));
  };
  EXPECT_EQ(allocate("a").value(), 1u);
  EXPECT_EQ(allocate("b").value(), 2u);
  EXPECT_EQ(allocate("a").value(), 1u);
  EXPECT_EQ(store->allocate("instance", "a", 3, kNow, Duration::hours(24)).value(), 1u)
      << "pools do not know each other";
  // A released number goes back to its owner, and to nobody else for a day.
  ASSERT_TRUE(store->release("service", "a", kNow));
  EXPECT_EQ(allocate("c").value(), 3u);
  const auto full = allocate("d", kNow + Duration::hours(23));
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().kind(), ErrorKind::kLimit);
  EXPECT_EQ(allocate("a", kNow + Duration::hours(23)).value(), 1u);
  ASSERT_TRUE(store->release("service", "b", kNow));
  EXPECT_EQ(allocate("d", kNow + Duration::hours(24)).value(), 2u);
  EXPECT_EQ(allocate("b", kNow + Duration::hours(24)).error().kind(), ErrorKind::kLimit);
}

TEST_F(StoreTest, GivesFreshNumbersBeforeRestedOnes) {
  auto store = open();
  for (const char* owner : {"a", "b", "c"}) {
    ASSERT_TRUE(store->allocate("p", owner, 100, kNow, Duration::hours(24)));
  }
  ASSERT_TRUE(store->release("p", "b", kNow));
  const WallTime later = kNow + Duration::hours(100);
  EXPECT_EQ(store->allocate("p", "d", 100, later, Duration::hours(24)).value(), 4u);
  const auto rows = store->allocations("p").value();
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[2].owner, "d");
}

TEST_F(StoreTest, ATokenJoinsOneMachineOnce) {
  auto store = open();
  const std::string hash(32, '\x7f');
  ASSERT_TRUE(store->add_token({.id = "t1",
                                .secret_sha256 = hash,
                                .ns = "shop",
                                .service = "web",
                                .created = kNow,
                                .expires = kNow + Duration::hours(1)}));
  EXPECT_THAT(store->join("other", {.id = "m0"}, kNow).error().message(),
              HasSubstr("unknown token"));
  EXPECT_THAT(store->join(hash, {.id = "m0"}, kNow + Duration::hours(1)).error().message(),
              HasSubstr("has expired"));
  const auto token = store->join(hash, {.id = "m1", .name = "host"}, kNow);
  ASSERT_TRUE(token) << token.error().message();
  EXPECT_EQ(token->service, "web");
  EXPECT_EQ(store->machine("m1").value()->ns, "shop");
  const auto again = store->join(hash, {.id = "m2"}, kNow);
  EXPECT_EQ(again.error().kind(), ErrorKind::kUnauthenticated);
  EXPECT_THAT(again.error().message(), HasSubstr("was used before"));
  EXPECT_FALSE(store->machine("m2").value().has_value());
  ASSERT_TRUE(store->revoke_machine("m1"));
  EXPECT_TRUE(store->machine("m1").value()->revoked);
  EXPECT_EQ(store->revoke_machine("m9").error().kind(), ErrorKind::kNotFound);
  ASSERT_TRUE(store->remove_token("t1"));
  EXPECT_EQ(store->remove_token("t1").error().kind(), ErrorKind::kNotFound);
}

TEST_F(StoreTest, KeepsInstancesAndImplicitServices) {
  auto store = open();
  const std::string bytes("\0binary\xff", 8);
  ASSERT_TRUE(store->put_instance({.id = "cart-1",
                                   .machine = "m",
                                   .mesh_index = 5,
                                   .registered = kNow,
                                   .registration = bytes,
                                   .address = "10.0.0.1:20000"}));
  ASSERT_TRUE(store->put_implicit_service(
      {{"default", "cart"}, {{80, model::Protocol::kHttp}, {81, model::Protocol::kAuto}}}));
  const auto instances = store->instances().value();
  ASSERT_EQ(instances.size(), 1u);
  EXPECT_EQ(instances[0].registration, bytes);
  EXPECT_EQ(instances[0].mesh_index, 5u);
  const auto services = store->implicit_services().value();
  ASSERT_EQ(services.size(), 1u);
  EXPECT_EQ(services[0].name.to_string(), "cart.default");
  EXPECT_EQ(services[0].ports, (std::vector<ImplicitPort>{{80, model::Protocol::kHttp},
                                                          {81, model::Protocol::kAuto}}));
  ASSERT_TRUE(store->put_implicit_service({{"default", "cart"}, {}}));
  EXPECT_THAT(store->implicit_services().value(), IsEmpty());
  ASSERT_TRUE(store->remove_instance("cart-1"));
  EXPECT_THAT(store->instances().value(), IsEmpty());
}

// A child applies batches of two objects as fast as it can and writes each version it was promised to a
// pipe; it is killed at an arbitrary moment. Whatever was promised must be there, and whole.
TEST_F(StoreTest, SurvivesKillAtAnyPoint) {
  int promised_before = 0;
  for (int round = 0; round < 8; ++round) {
    int pipe_ends[2];
    ASSERT_EQ(pipe(pipe_ends), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      close(pipe_ends[0]);
      auto store = Store::open({.path = path()});
      if (!store) _exit(1);
      for (int i = promised_before + 1;; ++i) {
        const ObjectRow puts[] = {object("left", i), object("right", i),
                                  object("n" + std::to_string(i))};
        if (!(*store)->apply(puts, {})) _exit(2);
        if (write(pipe_ends[1], &i, sizeof i) != sizeof i) _exit(3);
      }
    }
    close(pipe_ends[1]);
    // Killed after a different number of promises each round, at whatever the child does just then.
    int promised = 0, value = 0;
    for (int reads = 0; reads < 3 + round * 5; ++reads) {
      ASSERT_EQ(read(pipe_ends[0], &value, sizeof value), static_cast<ssize_t>(sizeof value));
      promised = value;
    }
    kill(child, SIGKILL);
    while (read(pipe_ends[0], &value, sizeof value) == sizeof value) promised = value;
    close(pipe_ends[0]);
    ASSERT_EQ(waitpid(child, nullptr, 0), child);

    auto store = open();
    ASSERT_NE(store, nullptr);
    ASSERT_TRUE(store->check_integrity());
    const auto rows = store->objects().value();
    const auto find = [&](const std::string& name) -> const ObjectRow* {
      for (const ObjectRow& row : rows) {
        if (row.key.name == name) return &row;
      }
      return nullptr;
    };
    ASSERT_NE(find("left"), nullptr);
    EXPECT_GE(find("left")->generation, promised);
    EXPECT_LE(find("left")->generation, promised + 1) << "at most one apply was under way";
    EXPECT_EQ(find("left")->generation, find("right")->generation) << "a batch is whole or absent";
    for (int i = 1; i <= promised; ++i) EXPECT_NE(find("n" + std::to_string(i)), nullptr) << i;
    promised_before = static_cast<int>(find("left")->generation);
  }
}

}  // namespace
}  // namespace weft::control
