// Only segments that are never written are dropped (PT_LOAD without PF_W): their pages are the file's.
// What relocation has written, RELRO included, lies in the others.
#include "app/proxy/idle_memory.h"

#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>

namespace weft::app {
namespace {

int drop_code(dl_phdr_info* object, size_t, void*) {
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const auto& segment = object->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
    const uintptr_t start = (object->dlpi_addr + segment.p_vaddr) & ~(page - 1);
    const uintptr_t end = object->dlpi_addr + segment.p_vaddr + segment.p_memsz;
    ::madvise(reinterpret_cast<void*>(start), end - start, MADV_DONTNEED);
  }
  return 0;
}

Duration cpu_time() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto nanos = [](const timeval& time) {
    return int64_t{time.tv_sec} * 1'000'000'000 + int64_t{time.tv_usec} * 1000;
  };
  return Duration::nanos(nanos(usage.ru_utime) + nanos(usage.ru_stime));
}

}  // namespace

bool IdleWatch::became_idle(Duration cpu) {
  const bool idle = cpu - cpu_before_ <= kIdle;
  cpu_before_ = cpu;
  const bool became = idle && !idle_;
  idle_ = idle;
  return became;
}

IdleMemory::IdleMemory(io::Loop& loop) : timer_(loop, [this] { look(); }) {
  timer_.arm(IdleWatch::kLook);
}

void IdleMemory::look() {
  if (watch_.became_idle(cpu_time())) {
    release_idle_memory();
  } else if (!watch_.idle() && ++busy_looks_ % kBusyLooks == 0) {
    release_free_memory(kFree);
  }
  timer_.arm(IdleWatch::kLook);
}

void release_idle_memory() {
  ::malloc_trim(0);
  ::dl_iterate_phdr(drop_code, nullptr);
}

void release_free_memory(size_t most) {
  // Summing up the free lists holds an arena's lock for microseconds; trimming for some milliseconds in all.
  if (::mallinfo2().fordblks > most) ::malloc_trim(0);
}

}  // namespace weft::app
