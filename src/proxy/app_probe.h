// One question to the app whether it is well: a connection, a GET, or grpc.health.v1.Health/Check. Asked by
// the sidecar beside it, from the instance's own address.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "proxy/app_dialer.h"

namespace weft::proxy {

struct AppProbe {
  enum Kind : uint8_t { kConnect, kHttp, kGrpc } kind = kConnect;
  uint16_t app_port = 0;
  std::string path = {};  // kHttp: the target; kGrpc: the service to ask for, "" = all of it
  std::string host = "localhost";       // kHttp
  std::vector<uint16_t> statuses = {};  // kHttp: that pass; none: 200 to `last_status`
  int last_status = 299;
  bool http2 = false;  // kHttp: what the app speaks
  Duration timeout = Duration::seconds(2);
};

// An error says in words what was wrong.
io::Task<Result<void>> ask(Worker& worker, AppDialer& dialer, AppProbe probe);

}  // namespace weft::proxy
