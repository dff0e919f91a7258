// close() is never repeated after EINTR: on Linux the descriptor is gone either way, and its number may
// already be someone else's.
#include "base/fd.h"

#include <unistd.h>

namespace weft {

void Fd::close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

}  // namespace weft
