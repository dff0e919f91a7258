// SimApp: the unmodified program of a simulated instance: listens on its ports on its own node and answers
// as it is told. HTTP ports answer every request with what it says; TCP ports say a greeting if they
// have one and answer every line with what they say and the line.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "http/server.h"
#include "sim/world.h"

namespace weft::scenarios {

struct AppPort {
  uint16_t port = 0;
  bool tcp = false;
};

struct AppBehaviour {
  std::string says = "ok";
  std::string greets;
  int status = 200;
  Duration delay{};
};

// What apps have seen, kept beyond the life of an app.
struct AppRecord {
  uint64_t requests = 0;
  std::map<std::string, int> calls;  // x-call of requests → how often
};

class SimApp {
 public:
  // All outlive it.
  SimApp(sim::Node& node, AppBehaviour& behaviour, AppRecord& record,
         const std::vector<AppPort>& ports);
  ~SimApp();

 private:
  void serve_http(io::StreamPtr stream);
  io::Task<void> answer(http::ServerStreamPtr stream);
  io::Task<void> converse(io::StreamPtr stream);

  sim::Node& node_;
  AppBehaviour& behaviour_;
  AppRecord& record_;
  std::vector<std::unique_ptr<io::Listener>> listeners_;
  std::list<std::unique_ptr<http::ServerConnection>> served_;
  io::TaskScope conversations_;
};

}  // namespace weft::scenarios
