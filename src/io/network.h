// Network: how streams come to be. Two implementations: the kernel's sockets and the simulated network
// of the tests. Whatever dials or listens in Weft does it through this.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/ip.h"
#include "base/result.h"
#include "base/time.h"
#include "io/stream.h"
#include "io/task.h"

namespace weft::io {

// Accepting goes on until the Listener is destroyed; accepted streams live on.
class Listener {
 public:
  virtual ~Listener() = default;
  virtual SocketAddress address() const = 0;
  // Stops accepting; the kernel still queues connects while the socket is open (a hand-over).
  virtual void pause() = 0;
  virtual void resume() = 0;
};

using AcceptFn = std::function<void(StreamPtr)>;

class Network {
 public:
  virtual ~Network() = default;

  // Dials. Errors carry retry = kYes: nothing of a request was seen.
  virtual Task<Result<StreamPtr>> connect(SocketAddress to, Duration timeout) = 0;
  // port 0 = any free one, see Listener::address().
  virtual Result<std::unique_ptr<Listener>> listen(SocketAddress at, AcceptFn accept) = 0;

  // Unix stream sockets.
  virtual Task<Result<StreamPtr>> connect_unix(std::string path, Duration timeout) = 0;
  virtual Result<std::unique_ptr<Listener>> listen_unix(std::string path, AcceptFn accept) = 0;
};

}  // namespace weft::io
