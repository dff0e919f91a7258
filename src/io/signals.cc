// signalfd instead of handlers: nothing of ours ever runs in signal context.
#include "io/signals.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <utility>

#include "base/assert.h"

namespace weft::io {

namespace {

int make_signalfd(std::initializer_list<int> signals, sigset_t* previous) {
  sigset_t wanted;
  sigemptyset(&wanted);
  for (int signal : signals) sigaddset(&wanted, signal);
  WEFT_ASSERT(pthread_sigmask(SIG_BLOCK, &wanted, previous) == 0);
  const int fd = signalfd(-1, &wanted, SFD_NONBLOCK | SFD_CLOEXEC);
  WEFT_ASSERT(fd >= 0);
  return fd;
}

}  // namespace

SignalWatch::SignalWatch(EpollLoop& loop, std::initializer_list<int> signals, Callback callback)
    : fd_(make_signalfd(signals, &previous_)),
      callback_(std::move(callback)),
      watch_(loop, fd_.get(), [this](uint32_t) { read_all(); }) {}

SignalWatch::~SignalWatch() {
  if (destroyed_) *destroyed_ = true;
  pthread_sigmask(SIG_SETMASK, &previous_, nullptr);
}

void SignalWatch::read_all() {
  bool destroyed = false;
  destroyed_ = &destroyed;
  Callback callback = std::move(callback_);
  signalfd_siginfo info{};
  while (read(fd_.get(), &info, sizeof info) == sizeof info) {
    callback(static_cast<int>(info.ssi_signo));
    if (destroyed) return;
  }
  callback_ = std::move(callback);
  destroyed_ = nullptr;
}

}  // namespace weft::io
