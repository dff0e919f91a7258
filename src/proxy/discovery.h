// Discovery: what this sidecar knows of the mesh and how it comes to know more. Joins the delta client
// (what is subscribed and held), staging (one apply is one version) and the last good state on disk.
// Names are held whole, and what the control plane asks of this instance (Inbound); services, endpoints
// and workload addresses are asked for when a worker or a DNS question wants them, and forgotten after
// kIdle without use.
// No connection in here: ControlLink carries the messages. Belongs to the main loop.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "base/time.h"
#include "proxy/last_good.h"
#include "proxy/staging.h"
#include "proxy/worker.h"
#include "xds/delta_client.h"

namespace weft::proxy {

class Discovery {
 public:
  static constexpr Duration kIdle = Duration::minutes(5);

  struct Hooks {
    // Hands a snapshot to every worker and calls `in_use` once all of them have it.
    std::function<void(SnapshotPtr, std::move_only_function<void()> in_use)> publish;
    // There are messages to write: take_output().
    std::function<void()> output;
    // All that was asked for at first was answered, or more was taken since. May be null.
    std::function<void()> heard = nullptr;
  };

  // `own`: where this sidecar is.
  Discovery(const Clock& clock, xds::NodeInfo node, LastGood last_good, Hooks hooks, Log log,
            steer::Place own = {});

  // This proxy serves a Gateway; before restore().
  void serve_gateway(const model::GatewayName& name);
  // Takes the last good state from disk and publishes it; before the first connected().
  void restore();
  void connected() { client_.connected(); }
  void disconnected() { client_.disconnected(); }
  // One message of the stream. An error means the stream is of no use any more.
  Result<void> receive(std::string_view message);
  std::vector<std::string> take_output() { return client_.take_output(); }

  void want(const Want& want);
  // Drops what nobody used for kIdle; call every half minute or so.
  void evict();
  // Writes the last good state if it changed since the last call.
  void save();

  const SnapshotPtr& snapshot() const { return staging_.snapshot(); }
  // Staged changes that wait for something, in words: for status.
  std::vector<std::string> waiting_for() const { return staging_.waiting_for(); }

 private:
  void subscribe(const model::ServiceName& service, bool again);
  void acknowledge(std::vector<Staging::Acknowledgement> done);

  const Clock& clock_;
  xds::DeltaClient client_;
  Staging staging_;
  LastGood last_good_;
  Hooks hooks_;
  Log log_;
  bool dirty_ = false;
  bool heard_names_ = false;
};

}  // namespace weft::proxy
