// The request path of a sidecar: what happens to a request its app makes to the mesh. One list, read
// from top to bottom in http_path.cc; its order is the semantics.
#pragma once

#include "http/server.h"
#include "proxy/destination.h"
#include "proxy/mirrors.h"
#include "proxy/upstream_pool.h"
#include "proxy/worker.h"

namespace weft::proxy {

struct SessionQuery;

class HttpPath {
 public:
  // For what the control plane is asked on the app's behalf.
  static constexpr Duration kDiscoveryWait = Duration::seconds(5);

  // Both outlive the path.
  HttpPath(Worker& worker, UpstreamPool& pool);

  // Serves one request that was made to `destination` (kService or kWorkload).
  io::Task<void> serve(http::ServerStreamPtr down, Destination destination);
  // Requests in hand.
  size_t active() const { return active_; }

 private:
  struct Request;
  struct Chosen;

  void identify(Request& request);
  bool admit(Request& request);
  bool route(Request& request);
  io::Task<bool> known_again(const Destination& destination);
  void draw_fault(Request& request, const LiveService* service);
  void mirror(Request& request);
  void budget(Request& request);
  io::Task<bool> inject(Request& request);
  // http_path_session.cc
  void find_session(Request& request);
  void find_service_session(Request& request);
  SessionQuery session_query(const Request& request) const;
  const LiveEndpoint* pick_by_session(const Request& request, uint16_t port) const;
  void keep_session(const Request& request, wire::ResponseHead& head) const;
  void set_terms(Request& request);  // http_path_terms.cc, as are the next four
  bool enter(Request& request);
  bool refuse_over_constraint(Request& request, const Result<wire::ResponseHead>& outcome);
  void note_answer(Request& request, int status, int grpc_status);
  void note_no_answer(Request& request, ErrorKind kind);
  void find_group(Request& request);
  void find_key(Request& request);  // http_path_key.cc
  bool pick(Request& request);
  io::Task<Result<wire::ResponseHead>> attempt(Request& request);
  std::optional<Duration> retry_after(Request& request, const Result<wire::ResponseHead>& outcome);
  static void note_refusal(Request& request);
  io::Task<void> finish(Request& request, Result<wire::ResponseHead> outcome);
  void record(Request& request);

  // Where the chosen endpoint's connections go.
  // `upgrade`: for a tunnel that has an HTTP/1.1 connection of its own.
  static UpstreamTarget target(const Request& request, bool upgrade);
  const wire::RequestHead& head_for_hop(Request& request) const;
  io::Task<Result<http::ClientStreamPtr>> open(Request& request);
  io::Task<Result<http::ClientStreamPtr>> open_upgrade(Request& request);
  void note_failure(Request& request, const Error& error);
  void note_late_failure(Request& request, const wire::Fields& trailers);
  void note_latency(Request& request, const wire::ResponseHead& head);

  Worker& worker_;
  UpstreamPool& pool_;
  const std::string source_;  // what weft-source-workload says
  size_t active_ = 0;
  Mirrors mirrors_;
};

}  // namespace weft::proxy
