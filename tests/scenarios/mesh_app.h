// SimApp: the unmodified program of a simulated instance: listens on its ports on its own node and answers
// as it is told. HTTP ports answer every request with what it says; TCP ports say a greeting if they
// have one and answer every line with what they say and the line.
#pragma once

#include <functional>
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

// The answer to one request.
struct AppAnswer {
  int status = 200;
  std::string says;
  Duration delay{};
  wire::Fields fields = {};
  bool reset = false;          // no answer: the connection is cut after the delay
  wire::Fields trailers = {};  // after what it says, which then has no length
};

struct AppBehaviour {
  std::string says = "ok";
  std::string greets;
  int status = 200;
  Duration delay{};
  // Asked for each request in place of what is above. Null: as above.
  std::function<AppAnswer(const wire::RequestHead&)> script = nullptr;
};

// What apps have seen, kept beyond the life of an app.
struct AppRecord {
  uint64_t requests = 0;
  std::string target, authority;     // of the last request
  std::string content;               // its body, before a script is asked
  std::map<std::string, int> calls;  // x-call of requests → how often
};

class SimApp {
 public:
  // All outlive it.
  SimApp(sim::Node& node, AppBehaviour& behaviour, AppRecord& record,
         const std::vector<AppPort>& ports);
  ~SimApp();
  bool listens(uint16_t port) const { return ports_.contains(port); }

 private:
  void serve_http(io::StreamPtr stream);
  io::Task<void> answer(http::ServerStreamPtr stream);
  io::Task<void> answer_with(http::ServerStream& stream, AppAnswer answer);
  io::Task<void> converse(io::StreamPtr stream);

  sim::Node& node_;
  AppBehaviour& behaviour_;
  AppRecord& record_;
  std::set<uint16_t> ports_;
  std::vector<std::unique_ptr<io::Listener>> listeners_;
  std::list<std::unique_ptr<http::ServerConnection>> served_;
  io::TaskScope conversations_;
};

}  // namespace weft::scenarios
