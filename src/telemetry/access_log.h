// The access log: one JSON object a line for each request or connection, every value escaped and cut to
// a bound, so that nothing a peer sent can forge a line or fill the disk. Response flags keep Envoy's
// letters, so what people know goes on being true; beside them `why` says it in words.
//
// Threading: LineQueue takes lines from any thread and hands them over in one piece; a short lock is
// taken per line, uncontended but for the drain: a few times a second, and when there are many.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "base/time.h"

namespace weft::telemetry {

// Views: the record lives for the call only. Empty text and negative numbers are left out.
struct AccessRecord {
  WallTime time;
  bool inbound = false;
  std::string_view protocol;     // http/1.1, h2, grpc, tcp
  std::string_view source;       // SPIFFE ID
  std::string_view client;       // ADDRESS:PORT of a client without an identity
  std::string_view destination;  // SPIFFE ID or "external"
  std::string_view service;      // "cart.default:8080"
  std::string_view route;        // "default/split/0"
  std::string_view method, authority, path;
  int status = -1;
  int grpc_status = -1;
  std::string_view flags;  // UF, UH, NR, ...
  std::string_view why;
  std::string_view policy;  // that delayed, aborted or refused it
  uint64_t bytes_received = 0, bytes_sent = 0;
  Duration duration;
  int attempts = -1;
  std::string_view upstream;  // ADDRESS:PORT dialled
  std::string_view workload;  // instance that answered
  std::string_view request_id, trace_id;
  bool mtls = false;
  bool mirror = false;  // a copy of a request; left out when it is none
};

// Appends the line with its newline.
void append_access_line(std::string& out, const AccessRecord& record);

class LineQueue {
 public:
  // `on_many` is called, by the thread that pushes, once so much waits that it should be drained soon.
  explicit LineQueue(size_t max_bytes = 1024 * 1024, std::function<void()> on_many = nullptr)
      : max_bytes_(max_bytes), on_many_(std::move(on_many)) {}
  void push(const AccessRecord& record);
  // Everything queued replaces what `into` has; leaves the queue empty. Give the same string each time:
  // its memory goes back to the queue.
  void drain(std::string& into);
  // Lines that found the queue full.
  uint64_t dropped() const;

 private:
  static constexpr size_t kTell = 128 * 1024;
  const size_t max_bytes_;
  const std::function<void()> on_many_;
  bool told_ = false;  // since the last drain
  mutable std::mutex mutex_;
  std::string lines_;
  uint64_t dropped_ = 0;
};

}  // namespace weft::telemetry
