// DeltaClient: the proxy's half of delta xDS as a state machine without sockets. Messages are
// serialized DeltaDiscoveryRequest/Response; whoever owns the gRPC stream carries them.
//
//   subscribe("*" or a name) → connected() → take_output() → write each
//   message read → receive() → Update → decode, stage, swap in → acknowledge(update id, rejections)
//   stream lost → disconnected(); later connected() again: what is held is told to the server,
//   which then sends only what differs.
//
// An update is acknowledged when its resources are *in use* (or refused), not when it was read:
// that is what "served by N of M" counts. Several updates may be open; they may be acknowledged in
// any order, also after the stream was lost (the versions then count as held, nothing is sent). A
// response is refused resource by resource: the rest of it may be applied. Rejections travel as
// error_detail with one detail per resource.
//
// Limits on what a server may send: 16 MiB a message, names of 512 bytes. Not thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "xds/resource_type.h"

namespace weft::xds {

struct NodeInfo {
  std::string id;  // the instance
  std::string version;
  uint32_t level = kProxyLevel;
};

// Why one resource of an update cannot be used.
struct Rejection {
  std::string name;
  std::string why;
};

struct Update {
  struct Resource {
    std::string name;
    std::string version;
    std::string payload;  // for xds/convert.h
  };
  uint64_t id = 0;
  ResourceType type = ResourceType::kName;
  std::vector<Resource> changed;
  // Gone, or asked for and not existing.
  std::vector<std::string> removed;
  // The server could not make these; what is held stays in use.
  std::vector<Rejection> errors;
  // Already found unusable (same name twice, wrong payload type); acknowledge() reports them too.
  std::vector<Rejection> refused;
  // Updates of one push have one generation (it counts within one stream); stage them until the
  // last has come.
  uint64_t generation = 0;
  bool last_of_generation = true;
};

class DeltaClient {
 public:
  explicit DeltaClient(NodeInfo node);

  // A new stream is open: the first request of each subscribed type is queued.
  void connected();
  void disconnected();
  bool is_connected() const { return connected_; }

  // Idempotent. "*" asks for all of a type; Rules are asked for by service (subscription_of()).
  void subscribe(ResourceType type, std::string_view name);
  // What was held under the name is forgotten.
  void unsubscribe(ResourceType type, std::string_view name);
  bool subscribed(ResourceType type, std::string_view name) const;
  // Asks for a subscribed resource again, even if it did not change.
  void refresh(ResourceType type, std::string_view name);
  // Seeds what is held, from the last good state on disk; before connected().
  void restore(ResourceType type, std::string_view name, std::string_view version);
  // The version in use, "" when none.
  std::string held_version(ResourceType type, std::string_view name) const;

  // One response. Errors (kProtocol) mean that the stream is of no use any more: close it. An
  // update without changes still has to be acknowledged.
  Result<Update> receive(std::string_view message);
  void acknowledge(uint64_t update_id, const std::vector<Rejection>& rejections = {});

  // Requests to write, in order; empties the queue.
  std::vector<std::string> take_output();
  bool has_output() const;

 private:
  struct Versioned {
    std::string name;
    std::string version;
  };
  struct PerType {
    std::set<std::string, std::less<>> subscribed;
    std::set<std::string, std::less<>> to_subscribe, to_unsubscribe;
    std::map<std::string, std::string, std::less<>> held;  // name → version
    bool opened = false;  // its first request of this stream was made
  };
  struct Open {
    ResourceType type;
    uint64_t stream;
    std::string nonce;
    std::vector<Versioned> changed;
    std::vector<std::string> removed;
    std::vector<Rejection> refused;
  };

  PerType& of(ResourceType type) { return types_[static_cast<size_t>(type)]; }
  const PerType& of(ResourceType type) const { return types_[static_cast<size_t>(type)]; }
  void queue_subscriptions(ResourceType type);
  void apply(const Open& open, const std::vector<Rejection>& rejections);

  NodeInfo node_;
  std::array<PerType, kResourceTypes> types_;
  std::map<uint64_t, Open> open_;
  std::vector<std::string> output_;
  uint64_t next_update_ = 1;
  uint64_t stream_ = 0;
  bool connected_ = false;
  bool node_sent_ = false;
};

}  // namespace weft::xds
