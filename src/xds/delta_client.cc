// Subscriptions are kept as sets and turned into requests only when output is taken: ten names
// asked for in one turn of the loop travel in one message. The first request of a type on a stream
// tells what is held (rule of delta xDS: initial_resource_versions), so a reconnect costs a list of
// hashes.
#include "xds/delta_client.h"

#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "discovery.pb.h"
#include "xds/serialize.h"

namespace weft::xds {
namespace {

namespace discovery = envoy::service::discovery::v3;

constexpr size_t kMessageBytes = 16 * 1024 * 1024;
constexpr size_t kNameBytes = 512;
constexpr int kInvalidArgument = 3;  // google.rpc.Code

struct Place {
  uint64_t generation = 0;
  bool last = true;
};

// "GENERATION PART/PARTS"; any other text stands alone.
Place parse_place(std::string_view text) {
  uint64_t numbers[3] = {};
  const char* at = text.data();
  const char* end = at + text.size();
  for (int i = 0; i < 3; ++i) {
    auto [next, error] = std::from_chars(at, end, numbers[i]);
    if (error != std::errc{}) return {};
    at = next;
    if (i < 2) {
      if (at == end || *at != (i == 0 ? ' ' : '/')) return {};
      ++at;
    }
  }
  if (at != end) return {};
  return {numbers[0], numbers[1] >= numbers[2]};
}

void add_rejections(discovery::Status& status, const std::vector<Rejection>& rejections) {
  status.set_code(kInvalidArgument);
  std::string text;
  for (const auto& rejection : rejections) {
    if (!text.empty()) text += "; ";
    text += rejection.name + ": " + rejection.why;
    discovery::ResourceError detail;
    detail.mutable_resource_name()->set_name(rejection.name);
    detail.mutable_error_detail()->set_code(kInvalidArgument);
    detail.mutable_error_detail()->set_message(rejection.why);
    status.add_details()->PackFrom(detail);
  }
  status.set_message(std::move(text));
}

bool names(const std::vector<Rejection>& rejections, std::string_view name) {
  for (const auto& rejection : rejections) {
    if (rejection.name == name) return true;
  }
  return false;
}

// The first name that a response mentions twice, or "".
std::string repeated_name(const discovery::DeltaDiscoveryResponse& response) {
  std::set<std::string_view> seen;
  for (const auto& resource : response.resources()) {
    if (!seen.insert(resource.name()).second) return resource.name();
  }
  for (const auto& name : response.removed_resources()) {
    if (!seen.insert(name).second) return name;
  }
  return "";
}

}  // namespace

DeltaClient::DeltaClient(NodeInfo node) : node_(std::move(node)) {}

void DeltaClient::connected() {
  ++stream_;
  connected_ = true;
  node_sent_ = false;
  output_.clear();
  for (auto& t : types_) {
    t.opened = false;
    t.to_subscribe = t.subscribed;
    t.to_unsubscribe.clear();
  }
}

void DeltaClient::disconnected() {
  connected_ = false;
  output_.clear();
}

void DeltaClient::subscribe(ResourceType type, std::string_view name) {
  auto& t = of(type);
  if (!t.subscribed.emplace(name).second) return;
  t.to_subscribe.emplace(name);
  if (auto it = t.to_unsubscribe.find(name); it != t.to_unsubscribe.end())
    t.to_unsubscribe.erase(it);
}

void DeltaClient::unsubscribe(ResourceType type, std::string_view name) {
  auto& t = of(type);
  auto it = t.subscribed.find(name);
  if (it == t.subscribed.end()) return;
  t.subscribed.erase(it);
  t.to_subscribe.erase(std::string(name));
  if (t.opened) t.to_unsubscribe.emplace(name);
  std::erase_if(t.held, [&](const auto& entry) { return !subscribed(type, entry.first); });
}

bool DeltaClient::subscribed(ResourceType type, std::string_view name) const {
  const auto& t = of(type);
  return t.subscribed.contains(subscription_of(type, name)) || t.subscribed.contains("*");
}

void DeltaClient::refresh(ResourceType type, std::string_view name) {
  auto& t = of(type);
  if (t.opened && t.subscribed.contains(name)) t.to_subscribe.emplace(name);
}

void DeltaClient::restore(ResourceType type, std::string_view name, std::string_view version) {
  of(type).held.insert_or_assign(std::string(name), std::string(version));
}

std::string DeltaClient::held_version(ResourceType type, std::string_view name) const {
  const auto& t = of(type);
  auto it = t.held.find(name);
  return it == t.held.end() ? "" : it->second;
}

Result<Update> DeltaClient::receive(std::string_view message) {
  discovery::DeltaDiscoveryResponse response;
  if (message.size() > kMessageBytes ||
      !response.ParseFromArray(message.data(), static_cast<int>(message.size()))) {
    return fail(ErrorKind::kProtocol, "discovery: the server sent a malformed response",
                ErrorSource::kUpstream);
  }
  auto type = parse_type_url(response.type_url());
  if (!type || !of(*type).opened) {
    return fail(ErrorKind::kProtocol,
                fmt::format("discovery: a response of type '{}', which was not asked for",
                            response.type_url()),
                ErrorSource::kUpstream);
  }

  Update update;
  update.id = next_update_++;
  update.type = *type;
  Place place = parse_place(response.system_version_info());
  update.generation = place.generation;
  update.last_of_generation = place.last;
  Open open{*type, stream_, response.nonce(), {}, {}, {}};

  if (std::string twice = repeated_name(response); !twice.empty()) {
    for (const auto& resource : response.resources()) {
      update.refused.push_back(
          {resource.name(), fmt::format("'{}' appears twice in one response", twice)});
    }
    if (update.refused.empty()) update.refused.push_back({twice, "removed twice in one response"});
  } else {
    for (const auto& resource : response.resources()) {
      if (!subscribed(*type, resource.name())) continue;
      if (resource.name().size() > kNameBytes) {
        update.refused.push_back({resource.name().substr(0, kNameBytes), "the name is too long"});
      } else if (resource.resource().type_url() != type_url(*type)) {
        update.refused.push_back(
            {resource.name(), fmt::format("holds a '{}', not a {}", resource.resource().type_url(),
                                          short_name(*type))});
      } else {
        open.changed.push_back({resource.name(), resource.version()});
        update.changed.push_back(
            {resource.name(), resource.version(), resource.resource().value()});
      }
    }
    for (const auto& name : response.removed_resources()) {
      if (!subscribed(*type, name)) continue;
      update.removed.push_back(name);
    }
    for (const auto& error : response.resource_errors()) {
      update.errors.push_back({error.resource_name().name(), error.error_detail().message()});
    }
  }
  open.removed = update.removed;
  open.refused = update.refused;
  open_.emplace(update.id, std::move(open));
  return update;
}

void DeltaClient::apply(const Open& open, const std::vector<Rejection>& rejections) {
  auto& t = of(open.type);
  for (const auto& changed : open.changed) {
    if (names(rejections, changed.name) || !subscribed(open.type, changed.name)) continue;
    t.held.insert_or_assign(changed.name, changed.version);
  }
  for (const auto& name : open.removed) {
    if (!names(rejections, name)) t.held.erase(name);
  }
}

void DeltaClient::acknowledge(uint64_t update_id, const std::vector<Rejection>& rejections) {
  auto it = open_.find(update_id);
  if (it == open_.end()) return;
  Open open = std::move(it->second);
  open_.erase(it);
  apply(open, rejections);
  if (!connected_ || open.stream != stream_) return;

  std::vector<Rejection> all = open.refused;
  all.insert(all.end(), rejections.begin(), rejections.end());
  discovery::DeltaDiscoveryRequest request;
  request.set_type_url(std::string(type_url(open.type)));
  request.set_response_nonce(open.nonce);
  if (!all.empty()) add_rejections(*request.mutable_error_detail(), all);
  output_.push_back(serialize(request));
}

void DeltaClient::queue_subscriptions(ResourceType type) {
  auto& t = of(type);
  if (t.to_subscribe.empty() && t.to_unsubscribe.empty()) return;
  discovery::DeltaDiscoveryRequest request;
  request.set_type_url(std::string(type_url(type)));
  if (!node_sent_) {
    node_sent_ = true;
    request.mutable_node()->set_id(node_.id);
    request.mutable_node()->set_user_agent_name("weft-proxy");
    request.mutable_node()->set_user_agent_version(node_.version);
    (*request.mutable_node()->mutable_metadata()->mutable_fields())["level"].set_number_value(
        node_.level);
  }
  if (!t.opened) {
    t.opened = true;
    for (const auto& [name, version] : t.held) {
      if (subscribed(type, name)) (*request.mutable_initial_resource_versions())[name] = version;
    }
  }
  for (const auto& name : t.to_subscribe) request.add_resource_names_subscribe(name);
  for (const auto& name : t.to_unsubscribe) request.add_resource_names_unsubscribe(name);
  t.to_subscribe.clear();
  t.to_unsubscribe.clear();
  output_.push_back(serialize(request));
}

std::vector<std::string> DeltaClient::take_output() {
  if (!connected_) return {};
  for (ResourceType type : kAllResourceTypes) queue_subscriptions(type);
  return std::exchange(output_, {});
}

bool DeltaClient::has_output() const {
  if (!connected_) return false;
  for (const auto& t : types_) {
    if (!t.to_subscribe.empty() || !t.to_unsubscribe.empty()) return true;
  }
  return !output_.empty();
}

}  // namespace weft::xds
