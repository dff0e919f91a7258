// Fabric: the simulated wires. It knows every host's addresses and listeners, and carries bytes between
// streams with delay, jitter, random segmentation, partitions and resets. What TCP promises holds:
// order, no loss unless reset, a bounded window (so backpressure is real), half close, and a reset when
// bytes arrive for someone who has gone.
//
// Used through World and Node; streams and listeners talk to it.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ip.h"
#include "base/random.h"
#include "io/event.h"
#include "io/network.h"
#include "sim/scheduler.h"
#include "sim/trace.h"

namespace weft::sim {

class SimStream;
class SimListener;

// One way of one hop. Delays are one-way.
struct LinkOptions {
  Duration delay = Duration::micros(200);
  Duration jitter = Duration::micros(100);
};

// A machine's place in the network.
struct Host {
  uint32_t id = 0;
  std::string name;
  std::vector<IpAddress> addresses;
  bool up = true;
  std::map<SocketAddress, SimListener*> listeners;
  std::map<std::string, SimListener*> unix_listeners;
  std::map<uint64_t, SimStream*> streams;  // alive, by number
  uint16_t next_port = 32768;
  // Connects that leave the host (not to loopback nor to an address of its own) go here instead; the
  // accepted stream's local() is the original destination. No port = off.
  SocketAddress redirect;
};

// What an observer sees of a segment as it arrives.
struct Segment {
  Instant at;
  std::string_view from_host;
  std::string_view to_host;
  SocketAddress from;
  SocketAddress to;
  std::string_view bytes;
};

struct Item {
  enum Kind { kData, kFin, kReset } kind;
  std::string bytes;
};

// One direction of a connection: a queue in flight. Every scheduled arrival takes the front, so order
// holds whatever the delays are.
struct Direction {
  std::deque<Item> in_flight;
  size_t outstanding = 0;     // bytes sent and not yet read by the receiver
  bool sender_waits = false;  // for the window
  bool closed = false;        // FIN or reset sent
  Instant last_arrival;
};

struct Connection {
  uint64_t number = 0;
  Host* host[2] = {};  // 0 dialled, 1 accepted
  SocketAddress address[2];
  SimStream* end[2] = {};
  Direction direction[2];  // [i]: from end i to the other
};

// A connect in progress, shared by the waiting coroutine and the wire (weakly).
struct Dialling {
  explicit Dialling(io::Loop& loop) : loop(loop), answered(loop) {}
  io::Loop& loop;
  io::Event answered;
  std::optional<IpAddress> source;  // the host's own when not given
  Result<io::StreamPtr> result = fail(ErrorKind::kInternal, "no answer");
};

class Fabric {
 public:
  static constexpr size_t kWindow = 256 * 1024;

  Fabric(Scheduler& scheduler, Random& random, Trace& trace)
      : scheduler_(scheduler), random_(random), trace_(trace) {}

  void add_host(Host& host);
  void set_default_link(LinkOptions options) { default_link_ = options; }
  void set_link(const Host& a, const Host& b, LinkOptions options) { links_[key(a, b)] = options; }
  // Nothing passes between a and b (connects time out, bytes wait) until heal().
  void partition(const Host& a, const Host& b);
  void heal(const Host& a, const Host& b);
  // Every connection between a and b is reset, as seen from both ends.
  void reset_connections(Host& a, Host& b);
  // The host's process died: peers see resets, its listeners are gone, its streams are dead.
  void crash(Host& host);
  void observe(std::function<void(const Segment&)> observer) {
    observers_.push_back(std::move(observer));
  }

  Scheduler& scheduler() { return scheduler_; }
  uint16_t free_port(Host& host) { return host.next_port++; }
  bool owns(const Host& host, const IpAddress& ip) const;
  void note(std::string_view what) { trace_.add(scheduler_.now(), what); }

  void dial(Host& from, SocketAddress to, const std::shared_ptr<Dialling>& dialling);
  void dial_unix(Host& host, const std::string& path, const std::shared_ptr<Dialling>& dialling);
  void send(const std::shared_ptr<Connection>& connection, int from, Item item);
  // Cuts `bytes` into segments of random size and sends them.
  void send_bytes(const std::shared_ptr<Connection>& connection, int from, std::string_view bytes);
  // The receiver `at` has read `bytes`.
  void acknowledge(const std::shared_ptr<Connection>& connection, int at, size_t bytes);

 private:
  using Key = std::pair<uint32_t, uint32_t>;
  static Key key(const Host& a, const Host& b) { return std::minmax(a.id, b.id); }

  Duration delay(const Host& a, const Host& b);
  Host* find_host(Host& from, const IpAddress& ip);
  SimListener* find_listener(Host& host, const SocketAddress& at);
  IpAddress source_for(const Host& from, const IpAddress& to);
  void connect_arrives(Host& from, Host& to, SimListener* listener, const SocketAddress& wanted,
                       std::weak_ptr<Dialling> weak);
  void answer_later(Host& from, Host& to, std::weak_ptr<Dialling> weak,
                    Result<io::StreamPtr> result);
  void arrive(const std::shared_ptr<Connection>& connection, int from);
  void deliver(const std::shared_ptr<Connection>& connection, int from, Item item);

  Scheduler& scheduler_;
  Random& random_;
  Trace& trace_;
  LinkOptions default_link_;
  std::vector<Host*> hosts_;
  std::map<Key, LinkOptions> links_;
  std::set<Key> partitions_;
  std::vector<std::pair<std::weak_ptr<Connection>, int>> held_;
  std::vector<std::function<void(const Segment&)>> observers_;
  uint64_t connections_ = 0;
};

}  // namespace weft::sim
