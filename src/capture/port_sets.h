// The ruleset's sets of declared ports, changed while the instance runs: `known4` and `known6` hold the
// virtual addresses whose ports are known, `declared4` and `declared6` their ports. A connect to a known
// address at a port that is not declared is refused by the kernel (plan.cc).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/ip.h"
#include "base/result.h"

namespace weft::capture {

// A change as it travels, one line each:
//   clear                  empties all four sets
//   +240.240.0.9           the ports of this address are known   - ... no longer
//   +240.240.0.9 80        it has this port                      - ... no longer
// Removals are made first, then additions, all at once. At most kMaxChangeBytes.
constexpr size_t kMaxChangeBytes = 20 * 1024;

struct PortChange {
  bool clear = false;
  std::vector<SocketAddress> removed, added;  // port 0: the address itself

  static Result<PortChange> from_text(std::string_view text);
};

class PortSets {
 public:
  // Acts on the calling thread's network namespace and needs CAP_NET_ADMIN there.
  static Result<PortSets> open();

  // One transaction of nf_tables: all of it or nothing.
  Result<void> apply(const PortChange& change);

 private:
  explicit PortSets(Fd socket) : socket_(std::move(socket)) {}
  Fd socket_;
};

}  // namespace weft::capture
