// Opaque connections of the app: to services and instances over an mTLS connection of their own, to
// everything else unchanged. Opening and carrying are apart, because a client that stays silent may
// turn out to speak HTTP after the way was opened.
#pragma once

#include <map>
#include <memory>

#include "proxy/destination.h"
#include "proxy/record.h"
#include "proxy/upstream_pool.h"
#include "proxy/worker.h"

namespace weft::proxy {

// The way to a server, opened and not used yet. Dropping it closes it.
struct OpenedTcp {
  CountedConnection counted;
  io::StreamPtr stream;
  Record record;
  std::shared_ptr<steer::EndpointHealth> health;  // null for external ones, as the next
  std::unique_ptr<steer::InFlight> in_flight;     // of it, from the choice on
  WallTime certificates_end{INT64_MAX};           // the earlier of both ends' certificates
};

class TcpPath {
 public:
  TcpPath(Worker& worker, UpstreamPool& pool) : worker_(worker), pool_(pool) {}

  // To a service or an instance, or to what a route has chosen; tries other endpoints while nothing was
  // sent, and later again as a policy's retries allow. First `injection` is carried out; an error if that ends the connection.
  io::Task<Result<OpenedTcp>> open(Destination destination, steer::Injection injection = {});
  // Is there an instance, ready or not yet known to be dead, that open() could try?
  bool leads_somewhere(const Destination& destination) const;
  // What a FaultPolicy breaks of a connection to this destination.
  steer::Injection draw_fault(const Destination& destination);
  // Carries it out. An error: the connection is to be reset, and is recorded. A client that goes meanwhile is
  // noticed afterwards.
  io::Task<Result<void>> inject(Record& record, steer::Injection injection);
  // Records a connection that no route takes.
  void refused(const Destination& destination, std::string why);
  // From the host's namespace to the original destination.
  io::Task<Result<OpenedTcp>> open_external(Destination destination);
  // Copies until both sides have ended, then records.
  io::Task<void> carry(io::StreamPtr client, OpenedTcp opened);

  // Opaque connections that live on although a certificate they were made with has ended.
  size_t outlived_certificate(WallTime now) const;
  size_t active() const { return ends_.size(); }

 private:
  struct Opening;
  std::optional<uint64_t> key_of(const Opening& opening) const;
  void set_retries(Opening& opening);
  const LiveEndpoint* pick(Opening& opening, bool again);
  io::Task<Result<void>> attempt(Opening& opening, const LiveEndpoint& chosen);
  void failed(Record record, std::string_view flags, std::string why);

  Worker& worker_;
  UpstreamPool& pool_;
  std::multimap<WallTime, uint64_t> ends_;
  uint64_t next_id_ = 0;
};

}  // namespace weft::proxy
