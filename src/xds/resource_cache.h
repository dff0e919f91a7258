// ResourceCache: what the control plane has compiled, by type and name, serialized once and shared
// by all streams that send it. A version is the hash of the content: a server that starts again
// gives an unchanged resource the version the proxies already hold, and nothing is sent twice.
//
// Cost: one string per resource holding its bytes as they go into a response, plus about 100 bytes.
// Not thread-safe; belongs to the server's loop.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "xds/resource_type.h"

namespace weft::xds {

struct CachedResource {
  std::string name;
  std::string version;
  std::string wire;  // one `resources` field of a DeltaDiscoveryResponse, tag and length included
};
using CachedResourcePtr = std::shared_ptr<const CachedResource>;

struct ResourceKey {
  ResourceType type;
  std::string name;
};

class ResourceCache {
 public:
  using ByName = std::map<std::string, CachedResourcePtr, std::less<>>;

  // `payload`: the serialized message. Returns whether the content is new; if so the key is in the
  // next take_changed().
  bool set(ResourceType type, std::string_view name, std::string_view payload);
  bool remove(ResourceType type, std::string_view name);
  // Is this its content now?
  bool holds(ResourceType type, std::string_view name, std::string_view payload) const;

  CachedResourcePtr find(ResourceType type, std::string_view name) const;
  const ByName& all(ResourceType type) const { return resources_[static_cast<size_t>(type)]; }

  // Keys set or removed since the last call, each once; counts as one generation if there are any.
  std::vector<ResourceKey> take_changed();
  uint64_t generation() const { return generation_; }

 private:
  std::array<ByName, kResourceTypes> resources_;
  std::array<std::set<std::string, std::less<>>, kResourceTypes> changed_;
  uint64_t generation_ = 0;
};

}  // namespace weft::xds
