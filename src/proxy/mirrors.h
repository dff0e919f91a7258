// Mirrors: copies of requests for services that are to see them, too (Gateway API, HTTPRequestMirrorFilter).
// A copy goes once, to one instance, and its answer is dropped; the request itself never waits for it and
// learns nothing of it. The copy is the request as its rule left it: what one backend's own filters change
// is seen by the copies of that backend only, and the Host stays (Gateway API asks for no other).
//
// Copies are bounded: each holds at most Forwarder::kReplay octets of content, kMost are under way at a time
// and worker, none for longer than kLongest. A request of more content, one that was answered before all of
// its content had come, and what comes when kMost are under way gets no copy: that is counted as dropped.
// Tunnels are not copied. The policy of the service that gets the copies holds for them as for requests: they
// count against its circuit breaker, never against that of the request's backend; one it turns away is dropped.
//
// On the hop a copy carries weft-mirror: neither sidecar counts it among the requests of an edge, and its
// lines of the access log say so.
// Lives on the worker loop; destroying it gives up what is under way.
#pragma once

#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/random.h"
#include "io/task.h"
#include "model/service.h"
#include "proxy/upstream_pool.h"
#include "proxy/worker.h"
#include "wire/message.h"

namespace weft::proxy {

// Marks a copy between two sidecars.
inline constexpr std::string_view kMirrorField = "weft-mirror";

struct MirrorCopy {
  model::ServiceName service;
  uint16_t port = 0;
  std::string route;  // for the access log
  wire::RequestHead head;
};
using MirrorCopies = std::vector<MirrorCopy>;

// Which of the mirrors get a copy of this request, by their shares; each is drawn for itself.
void draw_copies(const std::vector<model::Mirror>& mirrors, const std::string& route,
                 const wire::RequestHead& head, Random& random, MirrorCopies& out);

class Mirrors {
 public:
  static constexpr size_t kMost = 256;
  static constexpr Duration kLongest = Duration::seconds(10);

  // Both outlive it. `source` is what weft-source-workload says.
  Mirrors(Worker& worker, UpstreamPool& pool, std::string source);

  // `body` is all of the content. The copies are moved from.
  void send(MirrorCopies& copies, const Buffer& body, const wire::Fields& trailers);
  void drop(size_t copies);

 private:
  struct Exchange;
  io::Task<void> run(MirrorCopy copy, Buffer body, wire::Fields trailers);
  io::Task<void> exchange(Exchange& exchange, Buffer body, wire::Fields trailers);

  Worker& worker_;
  UpstreamPool& pool_;
  const std::string source_;
  size_t under_way_ = 0;
  io::TaskScope copies_;
};

}  // namespace weft::proxy
