// The simulated disk and SQLite on it: what survives, and what a full disk does.
#include "sim/disk.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <memory>
#include <string>

#include "sim/sqlite_vfs.h"

namespace weft::sim {
namespace {

TEST(SimDisk, ReadsWritesListsRenamesAndRemoves) {
  SimDisk disk;
  EXPECT_EQ(disk.read("/a/b").error().kind(), ErrorKind::kNotFound);
  ASSERT_TRUE(disk.make_dirs("/a/c", 0700).has_value());
  ASSERT_TRUE(disk.write_atomic("/a/b", "one", 0600).has_value());
  ASSERT_TRUE(disk.write_atomic("/a/b", "two", 0600).has_value());
  EXPECT_EQ(*disk.read("/a/b"), "two");
  EXPECT_EQ(*disk.list("/a"), (std::vector<std::string>{"b", "c"}));
  EXPECT_EQ(disk.list("/nowhere").error().kind(), ErrorKind::kNotFound);
  ASSERT_TRUE(disk.rename("/a/b", "/a/d").has_value());
  EXPECT_FALSE(disk.rename("/a/b", "/a/d").has_value());
  ASSERT_TRUE(disk.remove("/a/d").has_value());
  EXPECT_EQ(disk.remove("/a/d").error().kind(), ErrorKind::kNotFound);
}

TEST(SimDisk, ACrashLosesWhatWasNotSynced) {
  SimDisk disk;
  auto log = *disk.append_open("/log");
  ASSERT_TRUE(log->append("synced ").has_value());
  ASSERT_TRUE(log->sync().has_value());
  ASSERT_TRUE(log->append("lost").has_value());
  auto never = *disk.append_open("/never");
  ASSERT_TRUE(never->append("lost").has_value());
  EXPECT_EQ(*disk.read("/log"), "synced lost");
  disk.crash();
  EXPECT_EQ(*disk.read("/log"), "synced ");
  EXPECT_FALSE(disk.read("/never").has_value());
  EXPECT_FALSE(log->append("from the grave").has_value());
  EXPECT_EQ(*disk.read("/log"), "synced ");
}

TEST(SimDisk, ACrashWithSurvivorsKeepsEachUnsyncedChangeOrNot) {
  bool kept = false;
  bool lost = false;
  SeededRandom random(3);
  for (int i = 0; i < 50; ++i) {
    SimDisk disk;
    auto log = *disk.append_open("/log");
    ASSERT_TRUE(log->append("a").has_value());
    ASSERT_TRUE(log->sync().has_value());
    ASSERT_TRUE(log->append("b").has_value());
    disk.crash(&random);
    const std::string after = *disk.read("/log");
    (after == "ab" ? kept : lost) = true;
    EXPECT_TRUE(after == "ab" || after == "a");
  }
  EXPECT_TRUE(kept && lost);
}

TEST(SimDisk, AFullDiskKeepsTheOldFile) {
  SimDisk disk;
  ASSERT_TRUE(disk.write_atomic("/state", "old", 0600).has_value());
  disk.set_capacity(100);
  const auto full = disk.write_atomic("/state", std::string(200, 'x'), 0600);
  ASSERT_FALSE(full.has_value());
  EXPECT_EQ(full.error().kind(), ErrorKind::kLimit);
  EXPECT_EQ(*disk.read("/state"), "old");
  EXPECT_EQ(disk.used(), 3u);
  disk.fail_sync(true);
  EXPECT_EQ(disk.write_atomic("/state", "new", 0600).error().kind(), ErrorKind::kIo);
  EXPECT_EQ(*disk.read("/state"), "old");
}

class Database {
 public:
  explicit Database(const SqliteVfs& vfs) {
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    EXPECT_EQ(sqlite3_open_v2("/db", &db_, flags, vfs.name().c_str()), SQLITE_OK);
    EXPECT_EQ(run("PRAGMA journal_mode=WAL"), SQLITE_OK);
    EXPECT_EQ(run("PRAGMA synchronous=FULL"), SQLITE_OK);
  }
  ~Database() { sqlite3_close(db_); }
  int run(const std::string& sql) {
    return sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr);
  }
  int64_t ask(const std::string& sql) {
    sqlite3_stmt* statement = nullptr;
    EXPECT_EQ(sqlite3_prepare_v2(db_, sql.c_str(), -1, &statement, nullptr), SQLITE_OK);
    EXPECT_EQ(sqlite3_step(statement), SQLITE_ROW);
    const int64_t value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return value;
  }

 private:
  sqlite3* db_ = nullptr;
};

TEST(SqliteVfs, CommittedTransactionsSurviveACrashAndOpenOnesVanish) {
  for (uint64_t seed = 0; seed < 30; ++seed) {
    SimDisk disk;
    SqliteVfs vfs(disk, "sim-test");
    SeededRandom random(seed);
    int committed = 0;
    {
      Database db(vfs);
      ASSERT_EQ(db.run("CREATE TABLE t(v INTEGER, pad BLOB)"), SQLITE_OK);
      for (; committed < 20; ++committed) {
        ASSERT_EQ(db.run("INSERT INTO t VALUES(1, randomblob(3000))"), SQLITE_OK);
        if (committed == 10) {
          ASSERT_EQ(db.run("PRAGMA wal_checkpoint"), SQLITE_OK);
        }
      }
      ASSERT_EQ(db.run("BEGIN; INSERT INTO t SELECT 1, randomblob(5000) FROM t"), SQLITE_OK);
      disk.crash(&random);
    }
    Database db(vfs);
    EXPECT_EQ(db.ask("SELECT sum(v) FROM t"), committed) << "seed " << seed;
    EXPECT_EQ(db.run("PRAGMA integrity_check"), SQLITE_OK);
  }
}

TEST(SqliteVfs, AFullDiskFailsTheTransactionAndKeepsTheRest) {
  SimDisk disk;
  SqliteVfs vfs(disk, "sim-test");
  Database db(vfs);
  ASSERT_EQ(db.run("CREATE TABLE t(v INTEGER, pad BLOB); INSERT INTO t VALUES(1, '')"), SQLITE_OK);
  disk.set_capacity(disk.used() + 20'000);
  EXPECT_EQ(db.run("INSERT INTO t VALUES(1, randomblob(1000000))"), SQLITE_FULL);
  EXPECT_EQ(db.ask("SELECT count(*) FROM t"), 1);
  disk.set_capacity(UINT64_MAX);
  EXPECT_EQ(db.run("INSERT INTO t VALUES(1, randomblob(1000000))"), SQLITE_OK);
}

TEST(SqliteVfs, TwoConnectionsSeeEachOtherAndTakeTurnsWriting) {
  SimDisk disk;
  SqliteVfs vfs(disk, "sim-test");
  Database one(vfs);
  Database two(vfs);
  ASSERT_EQ(one.run("CREATE TABLE t(v INTEGER)"), SQLITE_OK);
  ASSERT_EQ(one.run("BEGIN IMMEDIATE; INSERT INTO t VALUES(1)"), SQLITE_OK);
  EXPECT_EQ(two.ask("SELECT count(*) FROM t"), 0);
  EXPECT_EQ(two.run("INSERT INTO t VALUES(2)"), SQLITE_BUSY);
  ASSERT_EQ(one.run("COMMIT"), SQLITE_OK);
  EXPECT_EQ(two.ask("SELECT count(*) FROM t"), 1);
  EXPECT_EQ(two.run("INSERT INTO t VALUES(2)"), SQLITE_OK);
}

}  // namespace
}  // namespace weft::sim
