// Pools: the pools of one version of a backend's endpoints, by port and by the policies that requests come
// with. Those of the Service's own policy are prepared when the version is made; those of rules that say
// something else are made by the first request that needs one. Grows only; freed with its group.
// Any thread: a list that is only ever added to at its head. A copy begins empty.
#pragma once

#include <atomic>
#include <cstdint>

#include "model/policy.h"
#include "steer/pick.h"

namespace weft::proxy {

struct EndpointGroup;

class Pools {
 public:
  Pools() = default;
  Pools(const Pools&) {}
  Pools& operator=(const Pools&) = delete;
  ~Pools();

  // `rule`: what the request's rule says, sections of it beat the group's policy; may be null.
  const steer::Pool& of(const EndpointGroup& group, uint16_t service_port,
                        const model::BackendPolicy* rule) const;

 private:
  struct Node;
  mutable std::atomic<Node*> first_{nullptr};
};

}  // namespace weft::proxy
