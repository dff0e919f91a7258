// Statements are prepared for each use: the control plane writes a few times a second at most, and a
// prepare costs microseconds beside the fsync of a commit.
#include "control/sqlite.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <utility>

namespace weft::control {
namespace {

// What an operator can do about it.
const char* advice(int code) {
  switch (code & 0xff) {
    case SQLITE_FULL: return "the disk is full: free some space; nothing was changed";
    case SQLITE_READONLY: return "the file or its file system is read-only; nothing was changed";
    case SQLITE_CANTOPEN: return "does the directory exist, and may this user write there?";
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
      return "the file is damaged: restore it from a copy, or move it away to begin anew";
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return "another program holds the file: is a second server running?";
    case SQLITE_IOERR: return "the disk reported an error; nothing was changed";
    case SQLITE_PERM:
    case SQLITE_AUTH: return "this user may not use the file";
    default: return "";
  }
}

}  // namespace

SqliteQuery::SqliteQuery(SqliteDatabase& database, std::string_view sql) : database_(&database) {
  check(sqlite3_prepare_v2(database.handle_, sql.data(), static_cast<int>(sql.size()), &statement_,
                           nullptr));
}

SqliteQuery::SqliteQuery(SqliteQuery&& other) noexcept
    : database_(other.database_),
      statement_(std::exchange(other.statement_, nullptr)),
      next_(other.next_),
      failure_(other.failure_) {}

SqliteQuery::~SqliteQuery() { sqlite3_finalize(statement_); }

void SqliteQuery::check(int code) {
  if (code != SQLITE_OK && failure_ == 0) failure_ = code;
}

SqliteQuery& SqliteQuery::bind(int64_t value) {
  if (failure_ == 0) check(sqlite3_bind_int64(statement_, next_++, value));
  return *this;
}

SqliteQuery& SqliteQuery::bind(std::string_view text) {
  if (failure_ == 0) {
    check(sqlite3_bind_text64(statement_, next_++, text.data() ? text.data() : "", text.size(),
                              SQLITE_TRANSIENT, SQLITE_UTF8));
  }
  return *this;
}

SqliteQuery& SqliteQuery::bind_blob(std::string_view bytes) {
  if (failure_ == 0) {
    check(sqlite3_bind_blob64(statement_, next_++, bytes.data() ? bytes.data() : "", bytes.size(),
                              SQLITE_TRANSIENT));
  }
  return *this;
}

SqliteQuery& SqliteQuery::bind(std::optional<int64_t> value) {
  if (value) return bind(*value);
  if (failure_ == 0) check(sqlite3_bind_null(statement_, next_++));
  return *this;
}

Result<bool> SqliteQuery::step() {
  if (failure_ == 0) {
    const int code = sqlite3_step(statement_);
    if (code == SQLITE_ROW) return true;
    if (code == SQLITE_DONE) return false;
    failure_ = code;
  }
  return std::unexpected(database_->error(failure_));
}

Result<void> SqliteQuery::finish() {
  while (true) {
    auto row = step();
    if (!row) return std::unexpected(std::move(row.error()));
    if (!*row) return {};
  }
}

int64_t SqliteQuery::integer(int column) const { return sqlite3_column_int64(statement_, column); }

std::string SqliteQuery::text(int column) const {
  const void* bytes = sqlite3_column_blob(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  return bytes ? std::string(static_cast<const char*>(bytes), static_cast<size_t>(size)) : "";
}

bool SqliteQuery::null(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

SqliteDatabase::SqliteDatabase(sqlite3* handle, std::string path)
    : handle_(handle), path_(std::move(path)) {}

SqliteDatabase::~SqliteDatabase() { sqlite3_close(handle_); }

Result<std::unique_ptr<SqliteDatabase>> SqliteDatabase::open(const std::string& path,
                                                             const std::string& vfs) {
  sqlite3* handle = nullptr;
  const int code =
      sqlite3_open_v2(path.c_str(), &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                      vfs.empty() ? nullptr : vfs.c_str());
  if (!handle) return fail(ErrorKind::kIo, fmt::format("{}: out of memory", path));
  std::unique_ptr<SqliteDatabase> database(new SqliteDatabase(handle, path));
  if (code != SQLITE_OK) return std::unexpected(database->error(code));
  sqlite3_extended_result_codes(handle, 1);
  sqlite3_busy_timeout(handle, 0);
  return database;
}

Result<void> SqliteDatabase::run(std::string_view script) {
  const int code = sqlite3_exec(handle_, std::string(script).c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return std::unexpected(error(code));
  return {};
}

int64_t SqliteDatabase::changes() const { return sqlite3_changes64(handle_); }

Error SqliteDatabase::error(int code) const {
  std::string text = fmt::format("{}: {}", path_, sqlite3_errmsg(handle_));
  if (const char* help = advice(code); *help) text += fmt::format(" ({})", help);
  return Error((code & 0xff) == SQLITE_CONSTRAINT ? ErrorKind::kConflict : ErrorKind::kIo,
               std::move(text));
}

}  // namespace weft::control
