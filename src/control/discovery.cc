// A stream is two coroutines over one state machine: one reads requests into it, one writes what it
// says is due and sleeps until there is more. A proxy that reads slowly holds up only its own
// writer, and gets the newest state when it reads again.
#include "control/discovery.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "xds/convert_gateway.h"

namespace weft::control {

using xds::ResourceType;

namespace {

std::string namespace_of(const std::string& peer) {
  auto id = model::SpiffeId::parse(peer);
  return std::string(id ? id->workload_namespace() : "");
}

}  // namespace

class Discovery::Push final : public io::Runnable {
 public:
  explicit Push(Discovery& owner) : owner_(owner) {}
  void run() override { owner_.push(); }

 private:
  Discovery& owner_;
};

struct Discovery::Client {
  Client(Discovery& owner, std::string peer)
      : owner(owner),
        peer(std::move(peer)),
        ns(namespace_of(this->peer)),
        stream(owner.cache_,
               [this](ResourceType type, std::string_view name) {
                 return this->owner.may_see(*this, type, name);
               }),
        due(owner.loop_) {
    owner.clients_.push_back(this);
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client() {
    std::erase(owner.clients_, this);
    if (owner.closed_ || stream.node().id.empty()) return;
    owner.gone_.emplace_back(stream.node().id, peer);
    owner.loop_.at_end_of_turn(*owner.push_);
  }

  Discovery& owner;
  std::string peer;  // SPIFFE ID
  std::string ns;    // of its identity
  xds::DeltaServerStream stream;
  io::Event due;
};

Discovery::Discovery(io::Loop& loop, Compiler& compiler)
    : loop_(loop), compiler_(compiler), push_(std::make_unique<Push>(*this)) {}
Discovery::~Discovery() = default;

// Until a policy says otherwise identities of one namespace may call each other, so the names of its
// own namespace are what a proxy may see. What is asked of an instance is for that instance, by its id and
// its certificate.
bool Discovery::may_see(const Client& client, ResourceType type, std::string_view name) const {
  if (type == ResourceType::kName) return name.substr(name.find('.') + 1) == client.ns;
  // Private keys are in it: for those whose certificate says that they serve it.
  if (type == ResourceType::kGateway) {
    auto peer = model::SpiffeId::parse(client.peer);
    const auto serves = peer ? model::gateway_of(*peer) : std::nullopt;
    return serves && model::resource_name(*serves) == name;
  }
  const std::string& id = client.stream.node().id;
  const auto it = compiler_.instances().find(id);
  return name == id && it != compiler_.instances().end() &&
         it->second.identity.uri() == client.peer;
}

void Discovery::publish_inbounds() {
  for (const std::string& id : compiler_.take_changed_inbounds()) {
    if (const auto inbound = compiler_.inbound(id)) {
      cache_.set(ResourceType::kInbound, id, xds::encode_inbound(*inbound));
    } else {
      cache_.remove(ResourceType::kInbound, id);
    }
  }
}

void Discovery::publish_gateways() {
  for (const model::GatewayName& name : compiler_.take_changed_gateways()) {
    if (const auto gateway = compiler_.compile_gateway(name)) {
      cache_.set(ResourceType::kGateway, model::resource_name(name), xds::encode_gateway(*gateway));
    } else {
      cache_.remove(ResourceType::kGateway, model::resource_name(name));
    }
  }
}

void Discovery::publish_rules(const std::string& name, const model::Service& service) {
  xds::EncodedService encoded = xds::encode_in_parts(service);
  for (const auto& part : encoded.parts) cache_.set(ResourceType::kRules, part.name, part.payload);
  keep_parts(name, encoded.parts);
  cache_.set(ResourceType::kService, name, encoded.service);
}

void Discovery::keep_parts(const std::string& service,
                           const std::vector<xds::EncodedService::Part>& parts) {
  std::set<std::string_view> kept;
  for (const auto& part : parts) kept.insert(part.name);
  std::vector<std::string> gone;
  const std::string prefix = service + "/";
  const auto& known = cache_.all(ResourceType::kRules);
  for (auto it = known.lower_bound(prefix); it != known.end() && it->first.starts_with(prefix);
       ++it) {
    if (!kept.contains(it->first)) gone.push_back(it->first);
  }
  for (const std::string& name : gone) cache_.remove(ResourceType::kRules, name);
}

void Discovery::publish(const Affected& services) {
  for (const auto& service : services) {
    std::string name = service.to_string();
    auto compiled = compiler_.compile(service);
    if (compiled) {
      cache_.set(ResourceType::kEndpoints, name, xds::encode_endpoints(compiled->endpoints));
      publish_rules(name, compiled->service);
      cache_.set(ResourceType::kName, name, xds::encode_name(compiled->entry));
    } else {
      for (auto type : {ResourceType::kEndpoints, ResourceType::kService, ResourceType::kName}) {
        cache_.remove(type, name);
      }
      keep_parts(name, {});
    }
  }
  publish_inbounds();
  publish_gateways();
  loop_.at_end_of_turn(*push_);
}

void Discovery::publish_instance(const std::string& id) {
  auto address = compiler_.workload_address(id);
  std::vector<std::string> names;
  if (address) {
    std::string payload = xds::encode_workload_address(*address);
    for (const IpAddress& ip : {address->endpoint.mesh4, address->endpoint.mesh6}) {
      if (ip.is_unspecified()) continue;
      names.push_back(ip.to_string());
      cache_.set(ResourceType::kWorkloadAddress, names.back(), payload);
    }
  }
  for (const auto& old : address_names_[id]) {
    if (std::find(names.begin(), names.end(), old) == names.end()) {
      cache_.remove(ResourceType::kWorkloadAddress, old);
    }
  }
  if (names.empty()) {
    address_names_.erase(id);
  } else {
    address_names_[id] = std::move(names);
  }
  publish_inbounds();
  loop_.at_end_of_turn(*push_);
}

void Discovery::tell_hung_up() {
  for (const auto& [instance, peer] : std::exchange(gone_, {})) {
    const bool back = std::ranges::any_of(clients_, [&](const Client* client) {
      return client->stream.node().id == instance && client->peer == peer;
    });
    if (!back && hung_up_) hung_up_(instance, peer);
  }
}

void Discovery::push() {
  tell_hung_up();
  auto changed = cache_.take_changed();
  if (changed.empty()) return;
  for (Client* client : clients_) {
    for (const auto& key : changed) client->stream.changed(key);
    if (client->stream.has_output()) client->due.set();
  }
}

void Discovery::close() {
  closed_ = true;
  for (Client* client : clients_) client->due.set();
}

io::Task<void> Discovery::write(http::GrpcServerCall& call, Client& client) {
  while (!closed_) {
    for (auto& message : client.stream.take_output()) {
      if (auto ok = co_await call.write(std::move(message)); !ok) co_return;
    }
    if (client.stream.has_output()) continue;
    client.due.reset();
    co_await client.due.wait();
  }
  call.finish(http::GrpcStatus::kUnavailable, "the server stops");
}

io::Task<void> Discovery::serve(std::unique_ptr<http::GrpcServerCall> call) {
  Client client(*this, call->connection().peer_spiffe_id);
  io::TaskScope writer;
  writer.spawn(write(*call, client));
  while (true) {
    auto message = co_await call->read();
    if (!message) co_return;  // the connection is gone
    if (!*message) break;
    if (auto ok = client.stream.receive(**message); !ok) {
      call->finish(http::GrpcStatus::kInvalidArgument, ok.error().message());
      co_return;
    }
    if (client.stream.has_output()) client.due.set();
  }
  call->finish(http::GrpcStatus::kOk);
}

struct Discovery::Part {
  xds::CachedResourcePtr resource;  // null: it is gone
  xds::Standing standing;
};

std::optional<Discovery::Part> Discovery::part_of(const Client& client,
                                                  const Carrier& carrier) const {
  if (!carrier.callers.empty() && carrier.callers != client.ns) return std::nullopt;
  ResourceType type = ResourceType::kService;
  std::string name = carrier.service.to_string();
  if (carrier.in == Carrier::kEndpoints) type = ResourceType::kEndpoints;
  if (carrier.in == Carrier::kGateway) {
    type = ResourceType::kGateway;
    name = model::resource_name(carrier.service);
  }
  if (carrier.in == Carrier::kInbound) {
    type = ResourceType::kInbound;
    name = client.stream.node().id;
    if (!compiler_.services_of(name).contains(carrier.service)) return std::nullopt;
  }
  Part part{cache_.find(type, name), client.stream.standing(type, name)};
  if (!part.standing.subscribed) return std::nullopt;
  if (!part.resource && carrier.in == Carrier::kInbound) return std::nullopt;  // none of its ports
  return part;
}

Served Discovery::served(const Carriers& carriers) const {
  Served out;
  for (const Client* client : clients_) {
    bool uses = false, current = true;
    for (const Carrier& carrier : carriers) {
      const auto part = part_of(*client, carrier);
      if (!part) continue;
      uses = true;
      current = current && part->resource && part->standing.serving == part->resource->version;
      if (!part->standing.refused.empty() && out.problem.empty()) {
        out.problem = fmt::format("{}: {}", client->stream.node().id, part->standing.refused);
      }
    }
    out.users += uses;
    out.current += uses && current;
  }
  return out;
}

bool Discovery::connected(const std::string& instance) const {
  return std::ranges::any_of(
      clients_, [&](const Client* client) { return client->stream.node().id == instance; });
}

std::vector<std::string> Discovery::refusals() const {
  std::vector<std::string> out;
  for (const Client* client : clients_) {
    for (const auto& refusal : client->stream.rejections()) {
      out.push_back(
          fmt::format("{} cannot use {}: {}", client->stream.node().id, refusal.name, refusal.why));
    }
  }
  return out;
}

}  // namespace weft::control
