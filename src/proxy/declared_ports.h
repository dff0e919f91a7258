// DeclaredPorts: which ports of the mesh's virtual addresses the instance's ruleset lets pass. The index
// of names says what is declared; the ruleset is told by changes, one at a time, each answered before
// the next is sent, so that a large index never overruns the socket to the keeper.
//
// What the ruleset is never told about passes to the sidecar, which decides: a connect is refused by the
// kernel only for a port that is known not to be declared.
// A plain state machine; lives on the main loop.
#pragma once

#include <string>
#include <vector>

#include "base/ip.h"
#include "proxy/snapshot.h"

namespace weft::proxy {

class DeclaredPorts {
 public:
  // Longest change, so that its netlink attributes stay below 64 KiB (capture/port_sets.h).
  static constexpr size_t kMostBytes = 16 * 1024;

  // What shall hold from now on.
  void want(const NameIndex& index);
  // The text of the next change (capture/port_sets.h), "" when there is nothing to do or one is under
  // way. The first begins with "clear": the ruleset may know what a killed sidecar told it.
  std::string next();
  // The change under way has been made, or cannot be.
  void done() { under_way_ = false; }
  // All that is wanted has been told and answered.
  bool settled() const { return !under_way_ && cleared_ && told_ == wanted_; }

 private:
  // Ascending. Port 0 stands for "the ports of this address are known".
  std::vector<SocketAddress> wanted_, told_;
  bool under_way_ = false;
  bool cleared_ = false;
};

}  // namespace weft::proxy
