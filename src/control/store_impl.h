// What the store's two .cc files share.
#pragma once

#include "control/sqlite.h"
#include "control/store.h"

namespace weft::control {

struct Store::Impl {
  std::unique_ptr<SqliteDatabase> database;
  int depth = 0;  // of nested transact() calls

  SqliteQuery query(std::string_view sql) { return database->query(sql); }
};

inline WallTime wall_time(int64_t ns) { return {ns}; }

}  // namespace weft::control
