// ControlLink: the sidecar's connection to the control plane: mTLS with the instance's SVID to the first
// server that answers and shows the server identity of our trust domain; on it the discovery stream,
// a report every two seconds (which renews the lease) and the renewal of the SVID at half life. When the
// connection is lost it dials again with jittered backoff; everything already known goes on serving.
// Belongs to the main loop; destroying it cancels whatever it waits for.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ip.h"
#include "base/log.h"
#include "base/random.h"
#include "base/time.h"
#include "http/client.h"
#include "http/grpc.h"
#include "io/event.h"
#include "io/loop.h"
#include "io/network.h"
#include "io/task.h"
#include "proxy/discovery.h"
#include "proxy/explanation.h"
#include "proxy/port_state.h"
#include "telemetry/edges.h"
#include "trust/rotation.h"
#include "trust/svid.h"

namespace weft::proxy {

// What a report says, as of now.
struct ReportContent {
  std::vector<PortState> ports;
  bool draining = false;
  bool retiring = false;  // another sidecar speaks for the instance: only the edges count
  std::vector<telemetry::EdgeTotals> edges;  // deltas
  uint32_t stale_tcp_connections = 0;
  std::vector<std::string> notes;
};

class ControlLink {
 public:
  static constexpr Duration kReportEvery = Duration::seconds(2);

  struct Options {
    std::vector<SocketAddress> servers;
    std::string trust_domain;
    std::string instance;
    std::string
        registration;     // serialized weft.v1.RegisterRequest, for a server that lost the lease
    std::string version;  // of this program
    bool speaks = true;   // let_speak()
  };
  struct Hooks {
    // Nothing: it is too early to say anything; report_soon() will follow.
    std::function<std::optional<ReportContent>()> collect;
    // The report made from the last collect() arrived.
    std::function<void()> reported;
    // A renewed credential: put it in use and keep it.
    std::function<void(std::shared_ptr<const trust::Svid>, trust::TrustBundle)> renewed;
    // What this sidecar would do; within a few seconds.
    std::function<io::Task<Explanation>(Question)> explain;
  };

  ControlLink(io::Loop& loop, io::Network& network, Random& random, Discovery& discovery,
              Options options, std::shared_ptr<const trust::Svid> svid, trust::TrustBundle bundle,
              Hooks hooks, Log log);
  ~ControlLink();

  void start();
  // There is output in discovery.
  void wake_writer() { output_.set(); }
  // A port became ready or stopped being so: tell now rather than in two seconds.
  void report_soon() { wants_report_.set(); }
  // Reports what is so now; returns once that has arrived, or cannot.
  io::Task<void> report_now(Duration timeout);
  // Whether this sidecar speaks for the instance: of two with one credential only one renews the certificate
  // and answers questions.
  void let_speak(bool speaks);
  // The instance leaves the registry; true when the server has acknowledged.
  io::Task<bool> leave(Duration timeout);
  bool connected() const { return connection_ != nullptr; }
  const std::string& last_error() const { return last_error_; }
  trust::ExpiryAlarm alarm() const { return rotation_.alarm(loop_.wall_now()); }

 private:
  io::Task<void> run();
  io::Task<Result<void>> dial();
  io::Task<Result<void>> dial_one(SocketAddress server);
  io::Task<void> stream();
  io::Task<void> write_requests(http::GrpcCall& call);
  io::Task<void> report_loop();
  io::Task<Result<void>> report();
  io::Task<void> questions();
  io::Task<Result<void>> answer_questions();
  io::Task<void> renewal_loop();
  io::Task<Result<void>> renew();
  void lost(std::string_view why);

  io::Loop& loop_;
  io::Network& network_;
  Random& random_;
  Discovery& discovery_;
  Options options_;
  std::shared_ptr<const trust::Svid> svid_;
  trust::TrustBundle bundle_;
  Hooks hooks_;
  Log log_;
  trust::Rotation rotation_;
  std::string last_error_;
  std::string loss_;
  // Begins anywhere, so that no number is one that a sidecar before this one has used.
  uint64_t sequence_;

  std::unique_ptr<http::ClientConnection> connection_;
  io::Event output_;  // discovery has something to write
  io::Event wants_report_;
  uint64_t reports_begun_ = 0, reports_ended_ = 0;
  io::Event report_ended_;  // pulsed
  io::Event online_;        // connection_ is usable
  io::Event lost_;          // the present connection is over
  io::Event speaks_;
  io::TaskScope session_;  // tasks of the present connection
  io::TaskScope tasks_;    // tasks of the link
};

}  // namespace weft::proxy
