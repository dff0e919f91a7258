// DnsServer: answers the app's DNS questions. wire/dns_zone.h decides what belongs to the mesh; this
// class gives it the snapshot, subscribes what is asked for, holds questions whose answer is on its
// way, and hands the rest to the host's resolvers. No sockets: see dns_listener.h.
//
// While the control plane is away, what the index does not know is uncertain: names under svc.mesh are
// SERVFAIL at once, and short names are too if the host's resolvers do not know them either.
// Lives on the main loop.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "io/loop.h"
#include "proxy/destination.h"
#include "proxy/snapshot.h"
#include "wire/dns_zone.h"

namespace weft::proxy {

class DnsServer {
 public:
  static constexpr Duration kHold = Duration::seconds(3);

  using Reply = std::move_only_function<void(std::string message)>;  // "" = no answer at all
  struct Hooks {
    std::function<SnapshotPtr()> snapshot;
    // Is what the index does not know known not to exist?
    std::function<bool()> index_current;
    std::function<void(const model::ServiceName&)> want;
    // To the host's resolvers, unchanged.
    std::function<void(std::string query, bool tcp, Reply)> forward;
  };
  struct Options {
    std::string default_namespace;
    std::vector<std::string> search;
    MeshRanges ranges;
  };

  DnsServer(io::Loop& loop, Options options, Hooks hooks);

  // `reply` is called once, now or later, but not after this object is gone.
  void ask(std::string query, bool tcp, Reply reply);
  // The snapshot changed: questions that wait are looked at again.
  void changed();

 private:
  struct Held {
    std::string query;
    wire::DnsMessage parsed;
    bool tcp;
    Reply reply;
    std::unique_ptr<io::Timer> timer;
  };

  wire::DnsZoneView view(bool complete) const;
  // False: the answer is not known yet.
  bool answer(const std::string& query, const wire::DnsMessage& parsed, bool tcp, Reply& reply);
  void send(const wire::DnsMessage& parsed, const wire::DnsMessage& message, bool tcp,
            Reply& reply);
  void give_up(std::list<Held>::iterator held);

  io::Loop& loop_;
  Options options_;
  Hooks hooks_;
  // A sidecar that just started (perhaps in place of one that died) hears of the names within moments:
  // until then a name it does not know waits, as connects do.
  const Instant young_until_;
  std::list<Held> held_;
};

}  // namespace weft::proxy
