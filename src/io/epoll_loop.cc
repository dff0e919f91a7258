// Edge-triggered and registered once: a busy connection then costs no epoll_ctl at all, and sockets
// remember themselves whether they are readable or writable. Events carry slot and generation instead
// of a pointer, so destroying a watch never needs to search the batch at hand.
#include "io/epoll_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/assert.h"

namespace weft::io {

namespace {

constexpr uint64_t kWakeTag = UINT64_MAX;
constexpr size_t kBatch = 256;
constexpr Duration kForever = Duration::hours(1);
// What waits for the end of a burst waits no longer: some ten requests.
constexpr Duration kLongestBurst = Duration::micros(100);

int64_t read_ns(clockid_t clock) {
  timespec t{};
  clock_gettime(clock, &t);
  return int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

}  // namespace

EpollLoop::EpollLoop()
    : epoll_fd_(epoll_create1(EPOLL_CLOEXEC)), wake_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  WEFT_ASSERT(epoll_fd_ >= 0 && wake_fd_ >= 0);
  epoll_event event{.events = EPOLLIN | EPOLLET, .data = {.u64 = kWakeTag}};
  WEFT_ASSERT(epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, wake_fd_, &event) == 0);
  read_clock();
}

EpollLoop::~EpollLoop() {
  remote_.clear();
  drop_work();
  for (const Slot& slot : slots_) WEFT_ASSERT(slot.watch == nullptr);
  close(wake_fd_);
  close(epoll_fd_);
}

void EpollLoop::read_clock() { now_ = {read_ns(CLOCK_MONOTONIC)}; }

WallTime EpollLoop::wall_now() const { return {read_ns(CLOCK_REALTIME)}; }

void EpollLoop::run() {
  stopped_ = false;
  while (!stopped_) turn(kForever);
}

bool EpollLoop::run_for_test(const std::function<bool()>& done, Duration limit) {
  read_clock();
  const Instant end = now_ + limit;
  while (!done() && now_ < end) turn(end - now_);
  return done();
}

void EpollLoop::turn(Duration longest_wait) {
  // The clock is old by what the last turn took: read it before deciding how long to sleep.
  read_clock();
  Instant deadline = now_ + longest_wait;
  Instant timer;
  if (next_deadline(timer)) deadline = std::min(deadline, timer);
  int timeout_ms = 0;
  const bool in_burst = gathering();  // then it only looks whether there is more
  if (!has_ready_work() && deadline > now_) {
    timeout_ms = static_cast<int>((deadline - now_ + Duration{999'999}).to_millis());
  }
  std::array<epoll_event, kBatch> events;
  const int count = epoll_wait(epoll_fd_, events.data(), kBatch, timeout_ms);
  WEFT_ASSERT(count >= 0 || errno == EINTR);
  read_clock();
  if (!in_burst) burst_since_ = now_;
  for (int i = 0; i < count; ++i) dispatch(events[i].data.u64, events[i].events);
  finish_turn(in_burst && (count <= 0 || now_ - burst_since_ >= kLongestBurst));
}

void EpollLoop::dispatch(uint64_t tag, uint32_t events) {
  if (tag == kWakeTag) {
    run_remote();
    return;
  }
  const Slot slot = slots_[static_cast<uint32_t>(tag)];
  if (!slot.watch || slot.generation != tag >> 32) return;
  // The callback may destroy its watch: it runs from here and goes back only if there is a back.
  FdWatch::Callback callback = std::move(slot.watch->callback_);
  callback(events);
  const Slot& now = slots_[static_cast<uint32_t>(tag)];
  if (now.watch && now.generation == slot.generation) now.watch->callback_ = std::move(callback);
}

void EpollLoop::post_remote(std::move_only_function<void()> fn) {
  bool first = false;
  {
    const std::lock_guard lock(remote_mutex_);
    first = remote_.empty();
    remote_.push_back(std::move(fn));
  }
  // One write for a burst: the loop takes all that is there.
  const uint64_t one = 1;
  if (first) WEFT_ASSERT(write(wake_fd_, &one, sizeof one) == sizeof one);
}

void EpollLoop::run_remote() {
  uint64_t count = 0;
  WEFT_ASSERT(read(wake_fd_, &count, sizeof count) == sizeof count);
  std::vector<std::move_only_function<void()>> calls;
  {
    const std::lock_guard lock(remote_mutex_);
    calls.swap(remote_);
  }
  for (auto& call : calls) post(std::move(call));
}

void EpollLoop::add(FdWatch& watch, uint32_t events) {
  if (free_slots_.empty()) {
    free_slots_.push_back(static_cast<uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  watch.slot_ = free_slots_.back();
  free_slots_.pop_back();
  Slot& slot = slots_[watch.slot_];
  slot.watch = &watch;
  const uint64_t tag = uint64_t{slot.generation} << 32 | watch.slot_;
  epoll_event event{.events = events | EPOLLET, .data = {.u64 = tag}};
  // Fails only for descriptors that cannot be waited for, or when the user's epoll limit
  // (fs.epoll.max_user_watches, a share of memory) is used up.
  WEFT_ASSERT(epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, watch.fd_, &event) == 0);
}

void EpollLoop::remove(FdWatch& watch) {
  Slot& slot = slots_[watch.slot_];
  slot.watch = nullptr;
  ++slot.generation;
  free_slots_.push_back(watch.slot_);
  epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, watch.fd_, nullptr);
}

FdWatch::FdWatch(EpollLoop& loop, int fd, Callback callback, Wake wake)
    : loop_(loop), fd_(fd), callback_(std::move(callback)) {
  // Together with EPOLLEXCLUSIVE the kernel takes no EPOLLRDHUP.
  loop.add(*this,
           wake == Wake::kExclusive ? EPOLLIN | EPOLLEXCLUSIVE : EPOLLIN | EPOLLOUT | EPOLLRDHUP);
}

FdWatch::~FdWatch() { loop_.remove(*this); }

}  // namespace weft::io
