// Locks are counted per file as https://www.sqlite.org/lockingv3.html describes them, shared memory as
// in https://www.sqlite.org/walformat.html; both live beside the SimFile, so that a file that came out of
// a crash starts without any.
#include "sim/sqlite_vfs.h"

#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/random.h"

namespace weft::sim {

namespace {

// What all connections of one file share.
struct Shared {
  int readers = 0;
  bool reserved = false;
  bool pending = false;
  bool exclusive = false;
  std::vector<std::unique_ptr<char[]>> regions;
  struct ShmLock {
    int shared = 0;
    bool exclusive = false;
  };
  std::array<ShmLock, SQLITE_SHM_NLOCK> shm_locks;
};

// Open handles of the VFS by the disk's generation they were opened in.
using Generations = std::map<uint32_t, int>;

struct Handle {
  SimDisk& disk;
  Generations& generations;
  uint32_t generation;
  std::shared_ptr<SimFile> file;
  std::shared_ptr<Shared> shared;
  std::string delete_on_close;
  int lock = SQLITE_LOCK_NONE;
  std::array<int, SQLITE_SHM_NLOCK> shm_held{};  // 0, 1 shared, 2 exclusive
};

struct File {
  sqlite3_file base;
  Handle* handle;
};

Handle& of(sqlite3_file* file) { return *reinterpret_cast<File*>(file)->handle; }

void release_lock(Handle& h, int to) {
  Shared& s = *h.shared;
  if (h.lock >= SQLITE_LOCK_EXCLUSIVE && to < SQLITE_LOCK_EXCLUSIVE) s.exclusive = false;
  if (h.lock >= SQLITE_LOCK_PENDING && to < SQLITE_LOCK_PENDING) s.pending = false;
  if (h.lock >= SQLITE_LOCK_RESERVED && to < SQLITE_LOCK_RESERVED) s.reserved = false;
  if (h.lock >= SQLITE_LOCK_SHARED && to < SQLITE_LOCK_SHARED) --s.readers;
  if (to < h.lock) h.lock = to;
}

void release_shm(Handle& h, int slot) {
  Shared::ShmLock& lock = h.shared->shm_locks[static_cast<size_t>(slot)];
  int& held = h.shm_held[static_cast<size_t>(slot)];
  if (held == 1) --lock.shared;
  if (held == 2) lock.exclusive = false;
  held = 0;
}

int x_close(sqlite3_file* file) {
  Handle* h = &of(file);
  release_lock(*h, SQLITE_LOCK_NONE);
  for (int slot = 0; slot < SQLITE_SHM_NLOCK; ++slot) release_shm(*h, slot);
  if (--h->generations[h->generation] == 0) h->generations.erase(h->generation);
  if (!h->delete_on_close.empty()) (void)h->disk.remove(h->delete_on_close);
  delete h;
  return SQLITE_OK;
}

int x_read(sqlite3_file* file, void* out, int size, sqlite3_int64 offset) {
  const std::string& content = of(file).file->content;
  const auto at = static_cast<size_t>(offset);
  const auto wanted = static_cast<size_t>(size);
  const size_t there = at >= content.size() ? 0 : std::min(wanted, content.size() - at);
  if (there > 0) std::memcpy(out, content.data() + at, there);
  if (there == wanted) return SQLITE_OK;
  std::memset(static_cast<char*>(out) + there, 0, wanted - there);
  return SQLITE_IOERR_SHORT_READ;
}

int x_write(sqlite3_file* file, const void* bytes, int size, sqlite3_int64 offset) {
  Handle& h = of(file);
  const std::string_view view(static_cast<const char*>(bytes), static_cast<size_t>(size));
  const auto written = h.disk.write_at(*h.file, static_cast<uint64_t>(offset), view);
  if (written) return SQLITE_OK;
  return written.error().kind() == ErrorKind::kLimit ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

int x_truncate(sqlite3_file* file, sqlite3_int64 size) {
  of(file).disk.truncate(*of(file).file, static_cast<uint64_t>(size));
  return SQLITE_OK;
}

int x_sync(sqlite3_file* file, int) {
  return of(file).disk.sync(*of(file).file) ? SQLITE_OK : SQLITE_IOERR_FSYNC;
}

int x_file_size(sqlite3_file* file, sqlite3_int64* size) {
  *size = static_cast<sqlite3_int64>(of(file).file->content.size());
  return SQLITE_OK;
}

int x_lock(sqlite3_file* file, int wanted) {
  Handle& h = of(file);
  Shared& s = *h.shared;
  if (wanted <= h.lock) return SQLITE_OK;
  if (wanted == SQLITE_LOCK_SHARED) {
    if (s.pending || s.exclusive) return SQLITE_BUSY;
    ++s.readers;
  } else if (wanted == SQLITE_LOCK_RESERVED) {
    if (s.reserved) return SQLITE_BUSY;
    s.reserved = true;
  } else {
    if (s.reserved && h.lock < SQLITE_LOCK_RESERVED) return SQLITE_BUSY;
    s.reserved = true;
    s.pending = true;
    if (s.readers > 1) {
      h.lock = SQLITE_LOCK_PENDING;
      return SQLITE_BUSY;
    }
    s.exclusive = true;
  }
  h.lock = wanted;
  return SQLITE_OK;
}

int x_unlock(sqlite3_file* file, int to) {
  release_lock(of(file), to);
  return SQLITE_OK;
}

int x_check_reserved(sqlite3_file* file, int* out) {
  *out = of(file).shared->reserved ? 1 : 0;
  return SQLITE_OK;
}

int x_file_control(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
int x_sector_size(sqlite3_file*) { return 4096; }
int x_characteristics(sqlite3_file*) { return 0; }

int x_shm_map(sqlite3_file* file, int region, int size, int extend, void volatile** out) {
  auto& regions = of(file).shared->regions;
  const auto index = static_cast<size_t>(region);
  *out = nullptr;
  if (index >= regions.size() && !extend) return SQLITE_OK;
  while (regions.size() <= index)
    regions.push_back(std::make_unique<char[]>(static_cast<size_t>(size)));
  *out = regions[index].get();
  return SQLITE_OK;
}

int x_shm_lock(sqlite3_file* file, int offset, int count, int flags) {
  Handle& h = of(file);
  const bool exclusive = flags & SQLITE_SHM_EXCLUSIVE;
  if (flags & SQLITE_SHM_LOCK) {
    for (int slot = offset; slot < offset + count; ++slot) {
      const Shared::ShmLock& lock = h.shared->shm_locks[static_cast<size_t>(slot)];
      const bool mine = h.shm_held[static_cast<size_t>(slot)] != 0;
      if (lock.exclusive && !mine) return SQLITE_BUSY;
      if (exclusive && lock.shared > (mine ? 1 : 0)) return SQLITE_BUSY;
    }
  }
  for (int slot = offset; slot < offset + count; ++slot) {
    release_shm(h, slot);
    if (!(flags & SQLITE_SHM_LOCK)) continue;
    Shared::ShmLock& lock = h.shared->shm_locks[static_cast<size_t>(slot)];
    if (exclusive) {
      lock.exclusive = true;
    } else {
      ++lock.shared;
    }
    h.shm_held[static_cast<size_t>(slot)] = exclusive ? 2 : 1;
  }
  return SQLITE_OK;
}

void x_shm_barrier(sqlite3_file*) {}

int x_shm_unmap(sqlite3_file* file, int remove) {
  if (remove) of(file).shared->regions.clear();
  return SQLITE_OK;
}

const sqlite3_io_methods kMethods = {
    .iVersion = 2,
    .xClose = x_close,
    .xRead = x_read,
    .xWrite = x_write,
    .xTruncate = x_truncate,
    .xSync = x_sync,
    .xFileSize = x_file_size,
    .xLock = x_lock,
    .xUnlock = x_unlock,
    .xCheckReservedLock = x_check_reserved,
    .xFileControl = x_file_control,
    .xSectorSize = x_sector_size,
    .xDeviceCharacteristics = x_characteristics,
    .xShmMap = x_shm_map,
    .xShmLock = x_shm_lock,
    .xShmBarrier = x_shm_barrier,
    .xShmUnmap = x_shm_unmap,
};

}  // namespace

struct SqliteVfs::State {
  State(SimDisk& disk, const std::string& name);
  static State& of(sqlite3_vfs* vfs) { return *static_cast<State*>(vfs->pAppData); }
  std::shared_ptr<Shared> shared_of(SimFile* file);

  static int open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags,
                  int* out_flags);
  static int remove(sqlite3_vfs* vfs, const char* name, int sync);
  static int access(sqlite3_vfs* vfs, const char* name, int flags, int* out);
  static int full_pathname(sqlite3_vfs* vfs, const char* name, int size, char* out);
  static int randomness(sqlite3_vfs* vfs, int size, char* out);
  static int sleep(sqlite3_vfs*, int micros) { return micros; }
  static int current_time(sqlite3_vfs* vfs, double* out);

  SimDisk& disk;
  SeededRandom random{1};
  uint64_t temporaries = 0;
  Generations generations;
  // A file with open handles keeps its address, one without has no entry that is alive.
  std::map<SimFile*, std::weak_ptr<Shared>> shared;
  sqlite3_vfs vfs{};
};

SqliteVfs::State::State(SimDisk& disk, const std::string& name) : disk(disk) {
  vfs.iVersion = 1;
  vfs.szOsFile = sizeof(File);
  vfs.mxPathname = 512;
  vfs.zName = name.c_str();
  vfs.pAppData = this;
  vfs.xOpen = open;
  vfs.xDelete = remove;
  vfs.xAccess = access;
  vfs.xFullPathname = full_pathname;
  vfs.xRandomness = randomness;
  vfs.xSleep = sleep;
  vfs.xCurrentTime = current_time;
}

std::shared_ptr<Shared> SqliteVfs::State::shared_of(SimFile* file) {
  auto& entry = shared[file];
  auto there = entry.lock();
  if (!there) entry = there = std::make_shared<Shared>();
  return there;
}

int SqliteVfs::State::open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags,
                           int* out_flags) {
  State& state = of(vfs);
  file->pMethods = nullptr;
  const std::string path = name ? name : "temporary-" + std::to_string(state.temporaries++);
  if (!(flags & SQLITE_OPEN_CREATE) && !state.disk.find(path)) return SQLITE_CANTOPEN;
  auto content = state.disk.open_or_make(path);
  auto shared = state.shared_of(content.get());
  const bool temporary = flags & SQLITE_OPEN_DELETEONCLOSE;
  auto* own = reinterpret_cast<File*>(file);
  ++state.generations[state.disk.generation()];
  own->handle = new Handle{state.disk,         state.generations, state.disk.generation(),
                           std::move(content), std::move(shared), temporary ? path : ""};
  own->base.pMethods = &kMethods;
  if (out_flags) *out_flags = flags;
  return SQLITE_OK;
}

int SqliteVfs::State::remove(sqlite3_vfs* vfs, const char* name, int) {
  State& state = of(vfs);
  // A connection from before the crash, as it closes, would delete the survivor's log.
  if (!state.generations.empty() && state.generations.begin()->first < state.disk.generation()) {
    return SQLITE_OK;
  }
  return state.disk.remove(name) ? SQLITE_OK : SQLITE_IOERR_DELETE_NOENT;
}

int SqliteVfs::State::access(sqlite3_vfs* vfs, const char* name, int, int* out) {
  *out = of(vfs).disk.find(name) ? 1 : 0;
  return SQLITE_OK;
}

int SqliteVfs::State::full_pathname(sqlite3_vfs*, const char* name, int size, char* out) {
  sqlite3_snprintf(size, out, "%s", name);
  return SQLITE_OK;
}

int SqliteVfs::State::randomness(sqlite3_vfs* vfs, int size, char* out) {
  for (int i = 0; i < size; ++i) out[i] = static_cast<char>(of(vfs).random.next());
  return size;
}

int SqliteVfs::State::current_time(sqlite3_vfs*, double* out) {
  *out = 2461041.5;  // 2026-01-01, as a Julian day
  return SQLITE_OK;
}

SqliteVfs::SqliteVfs(SimDisk& disk, std::string name)
    : name_(std::move(name)), state_(std::make_unique<State>(disk, name_)) {
  WEFT_ASSERT(sqlite3_vfs_register(&state_->vfs, 0) == SQLITE_OK);
}

SqliteVfs::~SqliteVfs() { sqlite3_vfs_unregister(&state_->vfs); }

}  // namespace weft::sim
