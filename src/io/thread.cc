// The loop belongs to the LoopThread, not to the thread: so post_remote() never meets a loop that has
// gone.
#include "io/thread.h"

#include <pthread.h>

#include <utility>

namespace weft::io {

LoopThread::LoopThread(const std::string& name, std::move_only_function<void(EpollLoop&)> main)
    : thread_([this, main = std::move(main)]() mutable { main(loop_); }) {
  pthread_setname_np(thread_.native_handle(), name.substr(0, 15).c_str());
}

LoopThread::~LoopThread() { join(); }

void LoopThread::join() {
  if (!thread_.joinable()) return;
  loop_.post_remote([this] { loop_.stop(); });
  thread_.join();
}

}  // namespace weft::io
