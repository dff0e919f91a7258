// Internal to Staging: one object that came, on its way into the snapshot.
#pragma once

#include <optional>

#include "proxy/staging.h"

namespace weft::proxy {

constexpr size_t index_of(xds::ResourceType type) { return static_cast<size_t>(type); }

struct Staging::Change {
  xds::ResourceType type;
  std::string name;
  Held held;
  bool removed = false;
  uint64_t update = 0;  // that it came with
  std::shared_ptr<const CompiledService> service;
  std::optional<model::Service> parted = {};  // in place of `service` until its parts are here
  CompiledPartPtr part = {};
  std::shared_ptr<const model::EndpointSet> endpoints;
  std::shared_ptr<const model::WorkloadAddress> workload;
  std::shared_ptr<const model::NameEntry> entry;
  std::shared_ptr<const model::Inbound> inbound;
  std::shared_ptr<const LiveGateway> gateway;

  // Services that must be known before it can be in use.
  std::vector<model::ServiceName> dependencies() const {
    if (service) return service->dependencies();
    return gateway ? gateway->dependencies() : std::vector<model::ServiceName>();
  }
};

}  // namespace weft::proxy
