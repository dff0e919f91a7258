// Finds peers that vanished while bytes of ours were on their way: nothing has acknowledged anything for
// kGiveUp although the kernel repeats itself. TCP_USER_TIMEOUT would be simpler, but it also ends
// connections whose peer is well and just does not read (its window is zero for longer than that), and a
// slow reader must not be cut off. One per EpollLoop; a stream is in it only while the kernel holds
// something unacknowledged, so idle connections cost nothing.
#pragma once

#include <cstddef>
#include <vector>

#include "io/loop.h"

namespace weft::io {

class SocketStream;

class SilenceWatch {
 public:
  static constexpr Duration kGiveUp = Duration::seconds(7);
  static constexpr size_t kNotWatched = SIZE_MAX;

  explicit SilenceWatch(Loop& loop) : loop_(loop), timer_(loop, [this] { look(); }) {}

  // The stream has sent something. May be called again; the stream removes itself before it ends.
  void add(SocketStream& stream);
  void remove(SocketStream& stream);

 private:
  void look();

  Loop& loop_;
  Timer timer_;
  std::vector<SocketStream*> watched_;
  size_t next_ = 0;
};

}  // namespace weft::io
