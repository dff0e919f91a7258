// Opening, transactions, objects and single values. BEGIN IMMEDIATE takes the write lock at once, so a
// transaction fails before it has done anything rather than at its commit. The file is created readable
// by its owner alone: it holds the CA's keys.
#include "control/store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <utility>

#include "control/store_impl.h"

namespace weft::control {
namespace {

// Version 1. A later version appends its script; scripts are never edited.
constexpr const char* kMigrations[] = {R"(
CREATE TABLE meta(key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE objects(
  kind TEXT NOT NULL, ns TEXT NOT NULL, name TEXT NOT NULL,
  uid TEXT NOT NULL, generation INTEGER NOT NULL, created INTEGER NOT NULL, body TEXT NOT NULL,
  PRIMARY KEY(kind, ns, name)) STRICT, WITHOUT ROWID;
CREATE TABLE allocations(
  pool TEXT NOT NULL, number INTEGER NOT NULL, owner TEXT NOT NULL, released INTEGER,
  PRIMARY KEY(pool, number), UNIQUE(pool, owner)) STRICT, WITHOUT ROWID;
CREATE TABLE instances(
  id TEXT PRIMARY KEY, machine TEXT NOT NULL, mesh_index INTEGER NOT NULL,
  registered INTEGER NOT NULL, registration BLOB NOT NULL, address TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE implicit_ports(
  ns TEXT NOT NULL, name TEXT NOT NULL, port INTEGER NOT NULL, protocol TEXT NOT NULL,
  PRIMARY KEY(ns, name, port)) STRICT, WITHOUT ROWID;
CREATE TABLE machines(
  id TEXT PRIMARY KEY, name TEXT NOT NULL, token TEXT NOT NULL, ns TEXT NOT NULL,
  service TEXT NOT NULL, joined INTEGER NOT NULL, revoked INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE tokens(
  id TEXT PRIMARY KEY, secret_sha256 BLOB NOT NULL UNIQUE, ns TEXT NOT NULL, service TEXT NOT NULL,
  created INTEGER NOT NULL, expires INTEGER NOT NULL, used_by TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE configuration(one INTEGER PRIMARY KEY CHECK(one = 1), version INTEGER NOT NULL) STRICT;
INSERT INTO configuration VALUES(1, 0);
)"};

Result<void> migrate(SqliteDatabase& database, const std::string& path) {
  int64_t version = 0;
  {
    SqliteQuery query = database.query("PRAGMA user_version");
    auto row = query.step();
    if (!row) return std::unexpected(std::move(row.error()));
    version = query.integer(0);
  }
  const auto newest = static_cast<int64_t>(std::size(kMigrations));
  if (version > newest) {
    return fail(
        ErrorKind::kUnsupported,
        fmt::format("{}: written by a newer Weft (format {}, this one reads up to {}): use that "
                    "version, or a copy made before the upgrade",
                    path, version, newest));
  }
  for (; version < newest; ++version) {
    auto done = database.run(fmt::format("BEGIN IMMEDIATE; {} PRAGMA user_version={}; COMMIT;",
                                         kMigrations[version], version + 1));
    if (!done) {
      (void)database.run("ROLLBACK");
      return std::unexpected(std::move(done.error()).context("preparing the store"));
    }
  }
  return {};
}

}  // namespace

Store::Store(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Store::~Store() = default;

Result<std::unique_ptr<Store>> Store::open(const StoreOptions& options) {
  if (options.vfs.empty()) {
    const int fd = ::open(options.path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0) ::close(fd);  // a failure shows again, with better words, when SQLite opens it
  }
  auto database = SqliteDatabase::open(options.path, options.vfs);
  if (!database) return std::unexpected(std::move(database.error()).context("opening the store"));
  // EXCLUSIVE: one server to a store, and no shared-memory file to leave behind.
  auto ready = (*database)->run(
      "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
      "PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF;");
  if (ready) ready = migrate(**database, options.path);
  if (!ready) return std::unexpected(std::move(ready.error()).context("opening the store"));
  auto impl = std::make_unique<Impl>();
  impl->database = std::move(*database);
  return std::unique_ptr<Store>(new Store(std::move(impl)));
}

Result<void> Store::transact(const std::function<Result<void>()>& work) {
  if (impl_->depth > 0) return work();
  if (auto begun = impl_->database->run("BEGIN IMMEDIATE"); !begun) return begun;
  ++impl_->depth;
  Result<void> result = work();
  --impl_->depth;
  if (result) result = impl_->database->run("COMMIT");
  // After some errors SQLite has rolled back by itself; then there is nothing left to undo.
  if (!result) (void)impl_->database->run("ROLLBACK");
  return result;
}

Result<std::vector<ObjectRow>> Store::objects() const {
  std::vector<ObjectRow> rows;
  SqliteQuery query = impl_->query(
      "SELECT kind, ns, name, uid, generation, created, body FROM objects ORDER BY kind, ns, name");
  while (true) {
    auto row = query.step();
    if (!row) return std::unexpected(std::move(row.error()));
    if (!*row) return rows;
    rows.push_back({.key = {query.text(0), query.text(1), query.text(2)},
                    .uid = query.text(3),
                    .generation = query.integer(4),
                    .created = wall_time(query.integer(5)),
                    .body = query.text(6)});
  }
}

Result<uint64_t> Store::apply(std::span<const ObjectRow> puts, std::span<const ObjectKey> deletes) {
  const auto work = [&]() -> Result<void> {
    for (const ObjectRow& row : puts) {
      auto done = impl_->query("INSERT OR REPLACE INTO objects VALUES(?,?,?,?,?,?,?)")
                      .bind(row.key.kind)
                      .bind(row.key.ns)
                      .bind(row.key.name)
                      .bind(row.uid)
                      .bind(row.generation)
                      .bind(row.created.unix_ns)
                      .bind(row.body)
                      .finish();
      if (!done) return done;
    }
    for (const ObjectKey& key : deletes) {
      auto done = impl_->query("DELETE FROM objects WHERE kind=? AND ns=? AND name=?")
                      .bind(key.kind)
                      .bind(key.ns)
                      .bind(key.name)
                      .finish();
      if (!done) return done;
    }
    return impl_->query("UPDATE configuration SET version=version+1").finish();
  };
  if (auto done = transact(work); !done) {
    return std::unexpected(std::move(done.error()).context("storing the change"));
  }
  return version();
}

Result<uint64_t> Store::version() const {
  SqliteQuery query = impl_->query("SELECT version FROM configuration");
  auto row = query.step();
  if (!row) return std::unexpected(std::move(row.error()));
  return static_cast<uint64_t>(query.integer(0));
}

Result<std::optional<std::string>> Store::meta(std::string_view key) const {
  SqliteQuery query = impl_->query("SELECT value FROM meta WHERE key=?");
  query.bind(key);
  auto row = query.step();
  if (!row) return std::unexpected(std::move(row.error()));
  if (!*row) return std::optional<std::string>();
  return std::optional<std::string>(query.text(0));
}

Result<void> Store::set_meta(const std::map<std::string, std::string>& values) {
  return transact([&]() -> Result<void> {
    for (const auto& [key, value] : values) {
      auto done = impl_->query("INSERT OR REPLACE INTO meta VALUES(?,?)")
                      .bind(key)
                      .bind_blob(value)
                      .finish();
      if (!done) return done;
    }
    return {};
  });
}

Result<void> Store::check_integrity() const {
  SqliteQuery query = impl_->query("PRAGMA integrity_check(1)");
  auto row = query.step();
  if (!row) return std::unexpected(std::move(row.error()));
  const std::string finding = query.text(0);
  if (finding != "ok") return fail(ErrorKind::kIo, "the store is damaged: " + finding);
  return {};
}

}  // namespace weft::control
