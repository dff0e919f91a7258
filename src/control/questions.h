// Questions: what the server asks running sidecars on behalf of a person (`weft explain`). Each sidecar opens one call
// for that purpose on its discovery connection (proto/explain.proto); a question waits at most kPatience, and of
// one sidecar at most kMostWaiting do at a time. Of two calls of one instance the later counts: a sidecar that
// another has replaced is not asked.
// Threading: the server's loop.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "http/grpc.h"
#include "io/event.h"
#include "io/loop.h"
#include "io/task.h"

namespace weft::control {

class Questions {
 public:
  static constexpr Duration kPatience = Duration::seconds(5);
  static constexpr size_t kMostWaiting = 4;
  // How long a call is left without a word; the connection ends those that are silent for an hour.
  static constexpr Duration kKeepOpen = Duration::minutes(20);

  explicit Questions(io::Loop& loop) : loop_(loop), opened_(loop) {}

  // Carries one sidecar's call to its end; its first message was read and is from `instance`.
  io::Task<void> serve(std::unique_ptr<http::GrpcServerCall> call, std::string instance);
  // Ends all calls in order.
  void close();

  bool reaches(const std::string& instance) const { return lines_.contains(instance); }
  // Waits until some sidecar opens its call. False: none did by then.
  io::Task<bool> another(Instant until) { return opened_.wait_for(until - loop_.now()); }
  Instant now() const { return loop_.now(); }
  // `question`: a weft.v1.Question without id; the answer: a weft.v1.Explanation. kUnavailable: no such
  // sidecar listens (any more); kLimit: too many ask it; kTimeout.
  io::Task<Result<std::string>> ask(std::string instance, std::string question);

 private:
  struct Line;
  struct Waiting;
  io::Task<void> write(http::GrpcServerCall& call, Line& line);

  io::Loop& loop_;
  std::map<std::string, Line*> lines_;    // by instance
  std::map<uint64_t, Waiting*> waiting_;  // by the id of its question
  io::Event opened_;                      // pulsed
  uint64_t next_id_ = 1;
  bool closed_ = false;
};

}  // namespace weft::control
