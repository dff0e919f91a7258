// SqliteVfs: SQLite on a SimDisk, registered by name, so that a store opened with that name meets full
// disks, failing syncs and crashes that lose unsynced pages. WAL mode works (shared memory is heap
// memory: all connections are in this process). Random numbers and the time are deterministic.
//
// The disk and all connections: the VFS must outlive its connections, the disk the VFS. After a crash of
// the disk, close the old connections (their writes go nowhere) and open new ones.
#pragma once

#include <memory>
#include <string>

#include "sim/disk.h"

namespace weft::sim {

class SqliteVfs {
 public:
  // For sqlite3_open_v2(..., name) or a URI's vfs=name.
  SqliteVfs(SimDisk& disk, std::string name);
  SqliteVfs(const SqliteVfs&) = delete;
  SqliteVfs& operator=(const SqliteVfs&) = delete;
  ~SqliteVfs();

  const std::string& name() const { return name_; }

 private:
  struct State;
  std::string name_;
  std::unique_ptr<State> state_;
};

}  // namespace weft::sim
