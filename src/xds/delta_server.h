// DeltaServerStream: the control plane's half of delta xDS for one proxy, a state machine without
// sockets. It knows what the proxy subscribed to, which version it was sent, holds and refused, and
// makes the responses that are due.
//
// Nothing is queued while the stream is slow: changes mark names as due, and take_output() builds
// responses from what is due *then*, so a slow reader gets the newest state once. All responses of
// one take_output() carry one generation ("GENERATION PART/PARTS" in system_version_info), ordered
// as kAllResourceTypes are: the proxy can stage them and swap them in together. Subscribing a name again sends it again; a name that does not exist is answered in
// removed_resources; unsubscribing a name that "*" still covers answers with the resource. Rules are
// subscribed by service: all parts there are, as they come and go.
//
// A proxy sees the part of the index it may see, of Inbound its own, of Gateways the one it serves: a name beyond that is to it as if
// it did not exist, also when it held it before. Only the index may be subscribed as a whole ("*") by such a proxy;
// details go to whoever names them, since a route may lead to a backend of any namespace.
//
// Limits on what a proxy may ask: 16 MiB a message, names of 512 bytes, 20000 subscriptions, 100000
// initial versions. Past kMaxUnacknowledged responses nothing is sent until some are answered.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "xds/delta_client.h"
#include "xds/resource_cache.h"

namespace envoy::service::discovery::v3 {
class DeltaDiscoveryRequest;
}

namespace weft::xds {

// Where one proxy stands with one resource.
struct Standing {
  bool subscribed = false;
  std::string serving;  // version it said it uses; "" none
  std::string refused;  // why it refused the version sent last; "" it did not
};

class DeltaServerStream {
 public:
  static constexpr size_t kMaxUnacknowledged = 256;
  static constexpr size_t kResponseBytes = 1024 * 1024;  // a larger push is split in parts

  // Of an index name ("cart.default") an instance (Inbound) or a Gateway: may this proxy see it?
  using MaySee = std::function<bool(ResourceType type, std::string_view name)>;

  // The cache outlives the stream. Without `may_see` the stream sees everything.
  explicit DeltaServerStream(const ResourceCache& cache, MaySee may_see = {})
      : cache_(cache), may_see_(std::move(may_see)) {}

  // One request. Errors mean that the proxy broke the protocol: end the stream.
  Result<void> receive(std::string_view message);
  // The cache has a new content (or none) for this name.
  void changed(const ResourceKey& key);

  // Responses to write now, in order.
  std::vector<std::string> take_output();
  bool has_output() const;

  const NodeInfo& node() const { return node_; }
  Standing standing(ResourceType type, std::string_view name) const;
  // Everything it said it cannot use now.
  std::vector<Rejection> rejections() const;

 private:
  struct Held {
    std::string sent;     // last version sent on this stream or said to be held
    std::string serving;  // last version acknowledged
    std::string refused;
  };
  struct PerType {
    bool wildcard = false;
    bool opened = false;
    bool owes_list = false;  // "*" was asked: also "nothing" is an answer
    std::set<std::string, std::less<>> names;
    std::map<std::string, Held, std::less<>> held;
    // name → send even if the version is the one sent
    std::map<std::string, bool, std::less<>> due;
  };
  struct Sent {
    ResourceType type;
    std::vector<std::pair<std::string, std::string>> versions;  // name, version ("" = removed)
  };
  struct Response;

  PerType& of(ResourceType type) { return types_[static_cast<size_t>(type)]; }
  const PerType& of(ResourceType type) const { return types_[static_cast<size_t>(type)]; }
  bool covers(ResourceType type, std::string_view name) const;
  bool visible(ResourceType type, std::string_view name) const {
    const bool restricted = type == ResourceType::kName || type == ResourceType::kInbound ||
                            type == ResourceType::kGateway;
    return !restricted || !may_see_ || may_see_(type, name);
  }
  CachedResourcePtr find(ResourceType type, std::string_view name) const {
    return visible(type, name) ? cache_.find(type, name) : nullptr;
  }
  void read_answer(ResourceType type,
                   const envoy::service::discovery::v3::DeltaDiscoveryRequest& request);
  Result<void> read_subscriptions(
      ResourceType type, const envoy::service::discovery::v3::DeltaDiscoveryRequest& request);
  void mark_due(ResourceType type, const std::string& subscription, bool first);
  void collect(ResourceType type, std::vector<Response>& responses);

  const ResourceCache& cache_;
  const MaySee may_see_;
  NodeInfo node_;
  std::array<PerType, kResourceTypes> types_;
  std::map<uint64_t, Sent> unacknowledged_;
  uint64_t next_nonce_ = 1;
  uint64_t pushes_ = 0;
};

}  // namespace weft::xds
