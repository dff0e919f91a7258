// Looks come four times a second while anything is watched, and each takes a quarter of the streams: many
// busy connections make no long turn. A look at a stream that is well costs one ioctl; TCP_INFO is asked
// only for what is still unacknowledged.
#include "io/silence_watch.h"

#include "io/socket_stream.h"

namespace weft::io {

namespace {

constexpr Duration kLook = Duration::millis(250);
constexpr size_t kLooksForAll = 4;

}  // namespace

void SilenceWatch::add(SocketStream& stream) {
  if (stream.watch_slot_ != kNotWatched) return;
  stream.watch_slot_ = watched_.size();
  stream.watched_since_ = loop_.now();
  watched_.push_back(&stream);
  if (!timer_.armed()) timer_.arm(kLook);
}

void SilenceWatch::remove(SocketStream& stream) {
  if (stream.watch_slot_ == kNotWatched) return;
  SocketStream* const last = watched_.back();
  watched_[stream.watch_slot_] = last;
  last->watch_slot_ = stream.watch_slot_;
  watched_.pop_back();
  stream.watch_slot_ = kNotWatched;
}

void SilenceWatch::look() {
  const Instant now = loop_.now();
  for (size_t left = (watched_.size() + kLooksForAll - 1) / kLooksForAll; left > 0; --left) {
    if (watched_.empty()) return;
    if (next_ >= watched_.size()) next_ = 0;
    SocketStream& stream = *watched_[next_];
    switch (stream.progress(now - stream.watched_since_)) {
      case SocketStream::Progress::kDone: remove(stream); break;
      case SocketStream::Progress::kUnderWay: ++next_; break;
      case SocketStream::Progress::kSilent:
        remove(stream);
        stream.peer_vanished();  // its handler may end this and other streams
        break;
    }
  }
  if (!watched_.empty()) timer_.arm(kLook);
}

}  // namespace weft::io
