// What is remembered of one request or connection while it is under way, and written once when it has
// ended: into the edge's counters and as a line of the access log.
#pragma once

#include <string>
#include <string_view>

#include "base/time.h"
#include "proxy/worker.h"

namespace weft::proxy {

struct Record {
  WallTime time;
  Instant start;
  bool inbound = false;
  bool mtls = true;
  std::string protocol;     // http, grpc, tcp
  std::string source;       // SPIFFE ID
  std::string client;       // address of a client without an identity (published doors)
  std::string destination;  // SPIFFE ID, or "external"
  std::string service;      // name dialled: "cart.default", or an address
  uint16_t port = 0;
  std::string workload;  // instance that served
  std::string upstream;  // address dialled
  std::string method, authority, path, route;
  int status = -1;
  int grpc_status = -1;
  uint32_t retries = 0;
  uint64_t bytes_sent = 0, bytes_received = 0;
  std::string trace_id, request_id;
  std::string flags, why;
  std::string policy;    // the FaultPolicy or RateLimitPolicy that acted: "default/slow-cart"
  bool delayed = false;  // by it: DI goes before the other flags
  bool mirror = false;   // a copy of a request

  std::string service_and_port() const { return service + ":" + std::to_string(port); }
};

// "cart.default:80" into service and port.
void set_service(Record& record, std::string_view text);

// What grpc-status says; -1 when it is no number from 0 to 16: garbage must not read as OK.
int grpc_status_number(std::string_view text);

telemetry::Edge& edge_of(Worker& worker, const Record& record);
// Counts a request that has ended, unless it is a copy, and writes its line.
void finish_request(Worker& worker, const Record& record);
// The same for a connection of opaque bytes. (It was counted as a connection when it began.)
void finish_connection(Worker& worker, const Record& record);

}  // namespace weft::proxy
