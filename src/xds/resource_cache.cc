// Resources are serialized once, as the bytes of a whole `resources` field (tag, length, Resource
// with its Any): a response is then a short header and a concatenation, whatever the number of
// proxies.
//
// The version is a XXH64 hash of the payload in hex. It only has to tell two contents of one
// name apart; nobody gains anything by a collision but a stale object of his own.
#include "xds/resource_cache.h"

#include <fmt/format.h>

#include "base/hash.h"
#include "discovery.pb.h"

namespace weft::xds {
namespace {

namespace discovery = envoy::service::discovery::v3;

std::string version_of(std::string_view payload) { return fmt::format("{:016x}", xxh64(payload)); }

std::string wire_of(ResourceType type, std::string_view name, const std::string& version,
                    std::string_view payload) {
  discovery::DeltaDiscoveryResponse holder;
  auto* resource = holder.add_resources();
  resource->set_name(std::string(name));
  resource->set_version(version);
  resource->mutable_resource()->set_type_url(std::string(type_url(type)));
  resource->mutable_resource()->set_value(std::string(payload));
  return holder.SerializeAsString();
}

}  // namespace

bool ResourceCache::set(ResourceType type, std::string_view name, std::string_view payload) {
  auto& resources = resources_[static_cast<size_t>(type)];
  std::string version = version_of(payload);
  auto it = resources.find(name);
  if (it != resources.end() && it->second->version == version) return false;
  auto resource = std::make_shared<const CachedResource>(
      CachedResource{std::string(name), version, wire_of(type, name, version, payload)});
  resources.insert_or_assign(std::string(name), std::move(resource));
  changed_[static_cast<size_t>(type)].emplace(name);
  return true;
}

bool ResourceCache::remove(ResourceType type, std::string_view name) {
  auto& resources = resources_[static_cast<size_t>(type)];
  auto it = resources.find(name);
  if (it == resources.end()) return false;
  resources.erase(it);
  changed_[static_cast<size_t>(type)].emplace(name);
  return true;
}

bool ResourceCache::holds(ResourceType type, std::string_view name,
                          std::string_view payload) const {
  const CachedResourcePtr resource = find(type, name);
  return resource && resource->version == version_of(payload);
}

CachedResourcePtr ResourceCache::find(ResourceType type, std::string_view name) const {
  const auto& resources = all(type);
  auto it = resources.find(name);
  return it == resources.end() ? nullptr : it->second;
}

std::vector<ResourceKey> ResourceCache::take_changed() {
  std::vector<ResourceKey> keys;
  for (ResourceType type : kAllResourceTypes) {
    auto& names = changed_[static_cast<size_t>(type)];
    for (const auto& name : names) keys.push_back({type, name});
    names.clear();
  }
  if (!keys.empty()) ++generation_;
  return keys;
}

}  // namespace weft::xds
