// Recording happens in one place, so that counters and log lines never disagree.
#include "proxy/record.h"

#include "base/text.h"

namespace weft::proxy {
namespace {

// gRPC statuses that are the server's fault: UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL,
// UNAVAILABLE, DATA_LOSS.
bool grpc_failed(int status) {
  return status == 2 || status == 4 || (status >= 12 && status <= 15);
}

void write_line(Worker& worker, const Record& record) {
  if (!worker.access) return;
  telemetry::AccessRecord line;
  std::string service = record.service_and_port();
  std::string flags;
  if (record.delayed) flags = record.flags.empty() ? "DI" : "DI," + record.flags;
  line.time = record.time;
  line.inbound = record.inbound;
  line.protocol = record.protocol;
  line.source = record.source;
  line.client = record.client;
  line.destination = record.destination;
  line.service = service;
  line.route = record.route;
  line.method = record.method;
  line.authority = record.authority;
  line.path = record.path;
  line.status = record.status;
  line.grpc_status = record.grpc_status;
  line.flags = record.delayed ? flags : record.flags;
  line.policy = record.policy;
  line.why = record.why;
  line.bytes_received = record.bytes_received;
  line.bytes_sent = record.bytes_sent;
  line.duration = worker.loop.now() - record.start;
  if (record.retries > 0) line.attempts = static_cast<int>(record.retries) + 1;
  line.upstream = record.upstream;
  line.workload = record.workload;
  line.request_id = record.request_id;
  line.trace_id = record.trace_id;
  line.mtls = record.mtls;
  line.mirror = record.mirror;
  worker.access->push(line);
}

}  // namespace

void set_service(Record& record, std::string_view text) {
  size_t colon = text.rfind(':');
  record.service = text.substr(0, colon);
  if (colon == std::string_view::npos) return;
  if (auto port = parse_port(text.substr(colon + 1))) record.port = *port;
}

int grpc_status_number(std::string_view text) {
  const auto number = parse_u64(text);
  return number && *number <= 16 ? static_cast<int>(*number) : -1;
}

telemetry::Edge& edge_of(Worker& worker, const Record& record) {
  return worker.edges.edge(telemetry::EdgeName{.source = record.source,
                                               .destination = record.destination,
                                               .service = record.service,
                                               .port = record.port,
                                               .protocol = record.protocol,
                                               .inbound = record.inbound,
                                               .mtls = record.mtls});
}

void finish_request(Worker& worker, const Record& record) {
  if (record.mirror) return write_line(worker, record);
  telemetry::Edge& edge = edge_of(worker, record);
  edge.requests.add();
  bool cut = record.flags == "UC";
  if (record.status >= 500 || cut || grpc_failed(record.grpc_status)) edge.errors.add();
  edge.retries.add(record.retries);
  edge.bytes_sent.add(record.bytes_sent);
  edge.bytes_received.add(record.bytes_received);
  edge.latency.record(worker.loop.now() - record.start);
  write_line(worker, record);
}

void finish_connection(Worker& worker, const Record& record) {
  telemetry::Edge& edge = edge_of(worker, record);
  if (!record.flags.empty() && record.flags != "DC") edge.errors.add();
  edge.bytes_sent.add(record.bytes_sent);
  edge.bytes_received.add(record.bytes_received);
  write_line(worker, record);
}

}  // namespace weft::proxy
