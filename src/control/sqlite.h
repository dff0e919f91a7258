// A thin, typed hold on SQLite: prepared statements with bound values, errors as Results that say what
// to do. Nothing of the store's tables is known here.
// Threading: one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace weft::control {

class SqliteDatabase;

// One execution of a statement. Values are bound in order, then rows are stepped through. The first
// failure sticks: later binds and steps do nothing, and finish()/step() report it.
class SqliteQuery {
 public:
  SqliteQuery(SqliteQuery&&) noexcept;
  ~SqliteQuery();

  SqliteQuery& bind(int64_t value);
  SqliteQuery& bind(std::string_view text);
  SqliteQuery& bind_blob(std::string_view bytes);
  SqliteQuery& bind(std::optional<int64_t> value);

  // True: a row is there. False: no more.
  Result<bool> step();
  // Runs to the end, for statements without rows.
  Result<void> finish();

  int64_t integer(int column) const;
  std::string text(int column) const;  // text or blob
  bool null(int column) const;

 private:
  friend class SqliteDatabase;
  SqliteQuery(SqliteDatabase& database, std::string_view sql);
  void check(int code);

  SqliteDatabase* database_;
  sqlite3_stmt* statement_ = nullptr;
  int next_ = 1;
  int failure_ = 0;
};

class SqliteDatabase {
 public:
  // Opens or creates. `vfs` empty = SQLite's default.
  static Result<std::unique_ptr<SqliteDatabase>> open(const std::string& path,
                                                      const std::string& vfs);
  ~SqliteDatabase();
  SqliteDatabase(const SqliteDatabase&) = delete;
  SqliteDatabase& operator=(const SqliteDatabase&) = delete;

  SqliteQuery query(std::string_view sql) { return {*this, sql}; }
  // Several statements separated by semicolons, without values.
  Result<void> run(std::string_view script);
  int64_t changes() const;

 private:
  friend class SqliteQuery;
  SqliteDatabase(sqlite3* handle, std::string path);
  Error error(int code) const;

  sqlite3* handle_;
  std::string path_;
};

}  // namespace weft::control
