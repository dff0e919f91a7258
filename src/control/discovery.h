// Discovery: compiled services out to the proxies that asked for them. Owns the cache of serialized
// resources and one delta stream a proxy. publish_*() recompiles at once; what changed goes out at
// the end of the loop's turn, so ten changes of one turn are one push to each proxy. Of the index a
// proxy gets the names of its own namespace (docs/design/discovery.md), of Inbound its own instance's.
// What a proxy of this build would refuse is not sent at all: all go on with the version before.
// Threading: the server's loop. Streams are served by coroutines that the connections own.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "control/api.h"
#include "control/compile.h"
#include "http/grpc.h"
#include "io/event.h"
#include "io/loop.h"
#include "io/task.h"
#include "xds/convert.h"
#include "xds/delta_server.h"
#include "xds/resource_cache.h"

namespace weft::control {

class Discovery {
 public:
  // Both outlive it. Streams must be gone before it is destroyed.
  Discovery(io::Loop& loop, Compiler& compiler);
  ~Discovery();

  // Told at the end of a turn that the last stream of an instance ended, whoever ended it; `peer` is
  // the SPIFFE ID of its certificate. Not when this server stops.
  using HungUp = std::function<void(const std::string& instance, const std::string& peer)>;
  void on_hung_up(HungUp hung_up) { hung_up_ = std::move(hung_up); }

  void publish(const Affected& services);
  // The instance's own addresses; also when it is gone.
  void publish_instance(const std::string& id);

  // Ends all streams in order; new ones are turned away.
  void close();
  // Serves one DeltaAggregatedResources call to its end.
  io::Task<void> serve(std::unique_ptr<http::GrpcServerCall> call);

  // Of the proxies that use any of these now, how many hold the present version of all they use.
  Served served(const Carriers& carriers) const;
  size_t proxies() const { return clients_.size(); }
  bool connected(const std::string& instance) const;
  // What proxies refuse now: "web-7f3a9c cannot use cart.default: needs proxy level 2 …", and what none is
  // sent: "Service of cart.default is sent to nobody …".
  std::vector<std::string> refusals() const;

 private:
  struct Client;
  class Push;
  io::Task<void> write(http::GrpcServerCall& call, Client& client);
  // Into the cache, if proxies can use it.
  void offer(xds::ResourceType type, const std::string& name, const std::string& payload);
  void withdraw(xds::ResourceType type, const std::string& name);
  // The Service and the parts of its rules; parts that it names no more go.
  void publish_rules(const std::string& name, const model::Service& service);
  void keep_parts(const std::string& service, const std::vector<xds::EncodedService::Part>& parts);
  void publish_inbounds();
  void publish_gateways();
  bool may_see(const Client& client, xds::ResourceType type, std::string_view name) const;
  // What a proxy has of what a carrier names; nothing when it does not use it.
  struct Part;
  // Of an Inbound without the name, which is the instance's.
  static std::pair<xds::ResourceType, std::string> resource_of(const Carrier& carrier);
  // Why the present one is sent to nobody; null: it is sent.
  const std::string* withheld(xds::ResourceType type, const std::string& name) const;
  std::optional<Part> part_of(const Client& client, const Carrier& carrier) const;
  void tell_hung_up();
  void push();

  io::Loop& loop_;
  Compiler& compiler_;
  xds::ResourceCache cache_;
  std::map<std::pair<xds::ResourceType, std::string>, std::string> withheld_;  // and why
  std::vector<Client*> clients_;  // in the order they came, so that a simulation repeats itself
  std::map<std::string, std::vector<std::string>> address_names_;  // instance → resource names
  HungUp hung_up_;
  std::vector<std::pair<std::string, std::string>> gone_;  // instance, peer: not told yet
  std::unique_ptr<Push> push_;
  bool closed_ = false;
};

}  // namespace weft::control
