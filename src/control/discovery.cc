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

template <typename Value>
Result<void> without_value(Result<Value> result) {
  if (!result) return std::unexpected(std::move(result.error()));
  return {};
}

// Can a proxy of this build use it? Asked of the very code with which it reads.
Result<void> check(ResourceType type, std::string_view payload) {
  switch (type) {
    case ResourceType::kEndpoints: return without_value(xds::decode_endpoints(payload));
    case ResourceType::kService: return without_value(xds::decode_service(payload));
    case ResourceType::kWorkloadAddress:
      return without_value(xds::decode_workload_address(payload));
    case ResourceType::kName: return without_value(xds::decode_name(payload));
    case ResourceType::kInbound: return without_value(xds::decode_inbound(payload));
    case ResourceType::kGateway: return without_value(xds::decode_gateway(payload));
    case ResourceType::kRules: return without_value(xds::decode_rules(payload));
  }
  return {};
}

// "web-1, web-2 and 3 more".
std::string some_of(const std::vector<std::string>& proxies) {
  constexpr size_t kShown = 3;
  const auto shown = std::min(proxies.size(), kShown);
  std::string out = fmt::format("{}", fmt::join(proxies.begin(), proxies.begin() + shown, ", "));
  if (proxies.size() > kShown) out += fmt::format(" and {} more", proxies.size() - kShown);
  return out;
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

void Discovery::offer(ResourceType type, const std::string& name, const std::string& payload) {
  if (!cache_.holds(type, name, payload)) {
    if (auto fit = check(type, payload); !fit) {
      withheld_[{type, name}] = fit.error().message();
      return;
    }
    cache_.set(type, name, payload);
  }
  withheld_.erase({type, name});
}

void Discovery::withdraw(ResourceType type, const std::string& name) {
  cache_.remove(type, name);
  withheld_.erase({type, name});
}

void Discovery::publish_inbounds() {
  for (const std::string& id : compiler_.take_changed_inbounds()) {
    if (const auto inbound = compiler_.inbound(id)) {
      offer(ResourceType::kInbound, id, xds::encode_inbound(*inbound));
    } else {
      withdraw(ResourceType::kInbound, id);
    }
  }
}

void Discovery::publish_gateways() {
  for (const model::GatewayName& name : compiler_.take_changed_gateways()) {
    if (const auto gateway = compiler_.compile_gateway(name)) {
      offer(ResourceType::kGateway, model::resource_name(name), xds::encode_gateway(*gateway));
    } else {
      withdraw(ResourceType::kGateway, model::resource_name(name));
    }
  }
}

void Discovery::publish_rules(const std::string& name, const model::Service& service) {
  xds::EncodedService encoded = xds::encode_in_parts(service);
  for (const auto& part : encoded.parts) {
    if (cache_.holds(ResourceType::kRules, part.name, part.payload)) continue;
    auto fit = check(ResourceType::kRules, part.payload);
    if (fit) continue;
    // A part that is too large is so by its last rule. Without one part all of the Service stays as it is.
    std::string why = fit.error().message();
    if (!why.starts_with("route ")) why = fmt::format("route {}: {}", part.last_rule, why);
    withheld_[{ResourceType::kService, name}] = std::move(why);
    return;
  }
  offer(ResourceType::kService, name, encoded.service);
  if (withheld(ResourceType::kService, name)) return;
  for (const auto& part : encoded.parts) cache_.set(ResourceType::kRules, part.name, part.payload);
  keep_parts(name, encoded.parts);
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
      offer(ResourceType::kEndpoints, name, xds::encode_endpoints(compiled->endpoints));
      publish_rules(name, compiled->service);
      offer(ResourceType::kName, name, xds::encode_name(compiled->entry));
    } else {
      for (auto type : {ResourceType::kEndpoints, ResourceType::kService, ResourceType::kName}) {
        withdraw(type, name);
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
  const std::string* withheld = nullptr;  // why the present one is sent to nobody
};

const std::string* Discovery::withheld(ResourceType type, const std::string& name) const {
  const auto it = withheld_.find({type, name});
  return it == withheld_.end() ? nullptr : &it->second;
}

std::pair<ResourceType, std::string> Discovery::resource_of(const Carrier& carrier) {
  switch (carrier.in) {
    case Carrier::kRules: return {ResourceType::kService, carrier.service.to_string()};
    case Carrier::kEndpoints: return {ResourceType::kEndpoints, carrier.service.to_string()};
    case Carrier::kGateway: return {ResourceType::kGateway, model::resource_name(carrier.service)};
    case Carrier::kInbound: break;
  }
  return {ResourceType::kInbound, ""};  // of each instance
}

std::optional<Discovery::Part> Discovery::part_of(const Client& client,
                                                  const Carrier& carrier) const {
  if (!carrier.callers.empty() && carrier.callers != client.ns) return std::nullopt;
  auto [type, name] = resource_of(carrier);
  if (carrier.in == Carrier::kInbound) {
    name = client.stream.node().id;
    if (!compiler_.services_of(name).contains(carrier.service)) return std::nullopt;
  }
  Part part{cache_.find(type, name), client.stream.standing(type, name), withheld(type, name)};
  if (!part.standing.subscribed) return std::nullopt;
  // Nothing is asked of any of its ports.
  if (!part.resource && !part.withheld && carrier.in == Carrier::kInbound) return std::nullopt;
  return part;
}

Served Discovery::served(const Carriers& carriers) const {
  Served out;
  std::vector<std::pair<std::string, std::vector<std::string>>> refusals;  // why, and whose
  const auto refused = [&](const std::string& why, const std::string& proxy) {
    auto it = std::ranges::find(refusals, why, [](const auto& one) { return one.first; });
    if (it == refusals.end()) it = refusals.insert(it, {why, {}});
    if (std::ranges::find(it->second, proxy) == it->second.end()) it->second.push_back(proxy);
  };
  const std::string* sent_to_nobody = nullptr;
  for (const Carrier& carrier : carriers) {
    const auto [type, name] = resource_of(carrier);
    if (!sent_to_nobody) sent_to_nobody = withheld(type, name);
  }
  for (const Client* client : clients_) {
    bool uses = false, current = true;
    for (const Carrier& carrier : carriers) {
      const auto part = part_of(*client, carrier);
      if (!part) continue;
      uses = true;
      current = current && !part->withheld && part->resource &&
                part->standing.serving == part->resource->version;
      if (!part->standing.refused.empty())
        refused(part->standing.refused, client->stream.node().id);
      if (!sent_to_nobody) sent_to_nobody = part->withheld;
    }
    out.users += uses;
    out.current += uses && current;
  }
  if (sent_to_nobody) {
    out.problem = *sent_to_nobody;
    out.withheld = true;
    return out;
  }
  for (const auto& [why, proxies] : refusals) {
    out.problem += fmt::format("{}{}: {}", out.problem.empty() ? "" : "; ", some_of(proxies), why);
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
  for (const auto& [resource, why] : withheld_) {
    out.push_back(fmt::format("{} of {} is sent to nobody, the version before stays in use: {}",
                              xds::short_name(resource.first), resource.second, why));
  }
  return out;
}

}  // namespace weft::control
