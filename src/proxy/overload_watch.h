// Reads the process's usage and the loop's delay four times a second, and tells who accepts connections
// when to stop and when to go on. Lives on the worker loop.
#pragma once

#include <functional>

#include "proxy/worker.h"

namespace weft::proxy {

class OverloadWatch {
 public:
  static constexpr Duration kEvery = Duration::millis(250);

  // `read`: may be null, then only the loop's delay counts.
  OverloadWatch(Worker& worker, std::function<Usage()> read);
  void start();
  // Called with false when accepting must stop, with true when it may go on.
  void on_accepting(std::function<void(bool)> accepting) { accepting_ = std::move(accepting); }

 private:
  void look();

  Worker& worker_;
  std::function<Usage()> read_;
  std::function<void(bool)> accepting_;
  bool accept_ = true;
  Instant due_;
  io::Timer timer_;
};

}  // namespace weft::proxy
