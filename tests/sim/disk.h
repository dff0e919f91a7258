// SimDisk: files in memory, with faults. Every file has the content a reader sees, the content that
// survives any crash, and the writes between the two; fsync makes them equal. Renames and removals are
// durable at once (as if the directory were always synced).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "io/disk.h"

namespace weft::sim {

struct SimFile {
  // Since the last sync; a truncation has its new size as offset and no bytes.
  struct Change {
    uint64_t offset;
    std::string bytes;
  };
  std::string content;
  std::vector<Change> unsynced;
  std::optional<std::string> durable;  // nothing: does not exist after a crash
  uint32_t mode = 0640;
};

class SimDisk final : public io::Disk {
 public:
  // All files together hold at most so many bytes (kLimit error beyond, like ENOSPC).
  void set_capacity(uint64_t bytes) { capacity_ = bytes; }
  // While set, every sync fails with kIo.
  void fail_sync(bool fail) { fail_sync_ = fail; }
  // What was not synced is lost: all of it, or, with `survivors`, each change for itself with an even
  // chance, as a real disk may reorder them. Files that are open are dead.
  void crash(Random* survivors = nullptr);
  uint64_t used() const;
  // Bit rot for tests of verification: false when there is no such file.
  bool corrupt(const std::string& path, size_t at);

  Result<std::string> read(const std::string& path) override;
  Result<> write_atomic(const std::string& path, std::string_view bytes, uint32_t mode) override;
  Result<std::unique_ptr<io::AppendFile>> append_open(const std::string& path) override;
  Result<> rename(const std::string& from, const std::string& to) override;
  Result<> remove(const std::string& path) override;
  Result<> make_dirs(const std::string& path, uint32_t mode) override;
  Result<std::vector<std::string>> list(const std::string& path) override;

  // For the SQLite files and open handles. A file keeps living for who has it open.
  std::shared_ptr<SimFile> find(const std::string& path) const;
  std::shared_ptr<SimFile> open_or_make(const std::string& path);
  Result<> write_at(SimFile& file, uint64_t offset, std::string_view bytes);
  void truncate(SimFile& file, uint64_t size);
  Result<> sync(SimFile& file);
  uint32_t generation() const { return generation_; }  // grows with every crash

 private:
  uint64_t capacity_ = UINT64_MAX;
  bool fail_sync_ = false;
  uint32_t generation_ = 0;
  std::map<std::string, std::shared_ptr<SimFile>> files_;
  std::set<std::string> directories_;
};

}  // namespace weft::sim
