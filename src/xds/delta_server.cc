// A stream keeps, per type, what is subscribed, what the proxy holds, and which names are due.
// Content is looked up in the cache only when a response is built, so ten changes of one endpoint
// set while the proxy's connection is full cost one resource. Resources go into a response as the
// bytes the cache already has.
#include "xds/delta_server.h"

#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "discovery.pb.h"

namespace weft::xds {
namespace {

namespace discovery = envoy::service::discovery::v3;

constexpr size_t kMessageBytes = 16 * 1024 * 1024;
constexpr size_t kNameBytes = 512;
constexpr size_t kSubscriptions = 20'000;
constexpr size_t kInitialVersions = 100'000;
constexpr size_t kWhyBytes = 1024;

std::unexpected<Error> protocol_error(std::string text) {
  return fail(ErrorKind::kProtocol, "discovery: " + std::move(text), ErrorSource::kDownstream);
}

uint64_t parse_nonce(std::string_view text) {
  uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() ? value : 0;
}

// What a NACK says of one resource: its own detail, else nothing if others have one, else the text.
std::map<std::string, std::string, std::less<>> refusals(const discovery::Status& status) {
  std::map<std::string, std::string, std::less<>> out;
  for (const auto& detail : status.details()) {
    discovery::ResourceError error;
    if (!detail.UnpackTo(&error)) continue;
    out[error.resource_name().name()] = error.error_detail().message().substr(0, kWhyBytes);
  }
  return out;
}

NodeInfo node_of(const discovery::Node& node) {
  NodeInfo info;
  info.id = node.id().substr(0, kNameBytes);
  info.version = node.user_agent_version().substr(0, kNameBytes);
  info.level = 0;
  auto it = node.metadata().fields().find("level");
  if (it != node.metadata().fields().end()) {
    double level = it->second.number_value();
    if (level > 0 && level < 1'000'000) info.level = static_cast<uint32_t>(level);
  }
  return info;
}

}  // namespace

struct DeltaServerStream::Response {
  ResourceType type;
  std::string wire;  // `resources` fields
  std::vector<std::string> removed;
  std::vector<std::pair<std::string, std::string>> versions;
};

bool DeltaServerStream::covers(ResourceType type, std::string_view name) const {
  const PerType& t = of(type);
  return t.wildcard || t.names.contains(subscription_of(type, name));
}

// On a new stream what the proxy already holds need not travel; asked for again later, it must.
void DeltaServerStream::mark_due(ResourceType type, const std::string& subscription, bool first) {
  auto& t = of(type);
  if (type != ResourceType::kRules) {
    t.due[subscription] = !first || !t.held.contains(subscription);
    return;
  }
  const std::string prefix = subscription + "/";
  const auto& known = cache_.all(type);
  for (auto it = known.lower_bound(prefix); it != known.end() && it->first.starts_with(prefix);
       ++it) {
    t.due[it->first] = !first || !t.held.contains(it->first);
  }
  for (auto it = t.held.lower_bound(prefix); it != t.held.end() && it->first.starts_with(prefix);
       ++it) {
    t.due.emplace(it->first, false);  // it may be gone
  }
}

void DeltaServerStream::read_answer(ResourceType type,
                                    const discovery::DeltaDiscoveryRequest& request) {
  auto it = unacknowledged_.find(parse_nonce(request.response_nonce()));
  if (it == unacknowledged_.end() || it->second.type != type) return;  // stale: of no meaning now
  Sent sent = std::move(it->second);
  unacknowledged_.erase(it);

  auto& t = of(type);
  bool refused = request.has_error_detail();
  auto details = refusals(request.error_detail());
  for (const auto& [name, version] : sent.versions) {
    auto held = t.held.find(name);
    if (held == t.held.end()) continue;
    auto detail = details.find(name);
    bool this_one = refused && (details.empty() || detail != details.end());
    if (this_one) {
      // A newer version may be on its way already; the refusal is of the one it names.
      if (held->second.sent == version) {
        held->second.refused = detail != details.end()
                                   ? detail->second
                                   : request.error_detail().message().substr(0, kWhyBytes);
      }
    } else if (version.empty()) {
      if (held->second.sent.empty()) t.held.erase(held);
    } else {
      held->second.serving = version;
      if (held->second.sent == version) held->second.refused.clear();
    }
  }
}

Result<void> DeltaServerStream::read_subscriptions(
    ResourceType type, const discovery::DeltaDiscoveryRequest& request) {
  auto& t = of(type);
  bool first = !t.opened;
  t.opened = true;
  if (first) {
    if (static_cast<size_t>(request.initial_resource_versions_size()) > kInitialVersions) {
      return protocol_error("too many initial versions");
    }
    for (const auto& [name, version] : request.initial_resource_versions()) {
      if (name.size() > kNameBytes || version.size() > kNameBytes) continue;
      t.held[name] = Held{version, version, ""};
    }
  }
  for (const auto& name : request.resource_names_subscribe()) {
    if (name.empty() || name.size() > kNameBytes) return protocol_error("a name of no use");
    if (name == "*") {
      if (may_see_ && type != ResourceType::kName) {
        return protocol_error("only the index of names is there as a whole");
      }
      t.wildcard = true;
      t.owes_list = true;
      for (const auto& [known, resource] : cache_.all(type)) {
        if (visible(type, known)) t.due.emplace(known, false);
      }
      for (const auto& [held, state] : t.held) t.due.emplace(held, false);
      continue;
    }
    t.names.insert(name);
    mark_due(type, name, first);
  }
  if (t.names.size() > kSubscriptions) return protocol_error("too many subscriptions");
  for (const auto& name : request.resource_names_unsubscribe()) {
    if (name == "*") {
      t.wildcard = false;
    } else {
      t.names.erase(name);
      if (t.wildcard) t.due[name] = true;
    }
  }
  std::erase_if(t.held, [&](const auto& entry) { return !covers(type, entry.first); });
  std::erase_if(t.due, [&](const auto& entry) { return !covers(type, entry.first); });
  return {};
}

Result<void> DeltaServerStream::receive(std::string_view message) {
  discovery::DeltaDiscoveryRequest request;
  if (message.size() > kMessageBytes ||
      !request.ParseFromArray(message.data(), static_cast<int>(message.size()))) {
    return protocol_error("a malformed request");
  }
  if (request.has_node() && node_.id.empty()) node_ = node_of(request.node());
  auto type = parse_type_url(request.type_url());
  // A newer proxy may ask for types this server does not know: it gets none, the rest goes on.
  if (!type) return {};
  if (!request.response_nonce().empty()) read_answer(*type, request);
  return read_subscriptions(*type, request);
}

void DeltaServerStream::changed(const ResourceKey& key) {
  auto& t = of(key.type);
  if (t.opened && covers(key.type, key.name) && visible(key.type, key.name)) {
    t.due.emplace(key.name, false);
  }
}

void DeltaServerStream::collect(ResourceType type, std::vector<Response>& responses) {
  auto& t = of(type);
  Response response{type, {}, {}, {}};
  auto flush = [&] {
    if (!response.versions.empty() || t.owes_list) responses.push_back(std::move(response));
    t.owes_list = false;
    response = Response{type, {}, {}, {}};
  };
  for (const auto& [name, forced] : t.due) {
    auto held = t.held.find(name);
    CachedResourcePtr resource = find(type, name);
    if (resource) {
      if (!forced && held != t.held.end() && held->second.sent == resource->version) continue;
      if (response.wire.size() + resource->wire.size() > kResponseBytes) flush();
      response.wire += resource->wire;
      response.versions.emplace_back(name, resource->version);
      auto& state = t.held[name];
      state.sent = resource->version;
      state.refused.clear();
    } else if (forced || held != t.held.end() || t.names.contains(name)) {
      if (!forced && held != t.held.end() && held->second.sent.empty()) continue;
      response.removed.push_back(name);
      response.versions.emplace_back(name, "");
      auto& state = t.held[name];
      state.sent.clear();
      state.refused.clear();
    }
  }
  t.due.clear();
  flush();
}

std::vector<std::string> DeltaServerStream::take_output() {
  if (unacknowledged_.size() >= kMaxUnacknowledged) return {};
  std::vector<Response> responses;
  for (ResourceType type : kAllResourceTypes) collect(type, responses);
  if (responses.empty()) return {};
  ++pushes_;
  std::vector<std::string> messages;
  for (size_t i = 0; i < responses.size(); ++i) {
    auto& response = responses[i];
    uint64_t nonce = next_nonce_++;
    discovery::DeltaDiscoveryResponse head;
    head.set_system_version_info(fmt::format("{} {}/{}", pushes_, i + 1, responses.size()));
    head.set_type_url(std::string(type_url(response.type)));
    head.set_nonce(fmt::format("{}", nonce));
    for (auto& name : response.removed) head.add_removed_resources(std::move(name));
    messages.push_back(head.SerializeAsString() + response.wire);
    unacknowledged_.emplace(nonce, Sent{response.type, std::move(response.versions)});
  }
  return messages;
}

bool DeltaServerStream::has_output() const {
  if (unacknowledged_.size() >= kMaxUnacknowledged) return false;
  for (const auto& t : types_) {
    if (!t.due.empty() || t.owes_list) return true;
  }
  return false;
}

Standing DeltaServerStream::standing(ResourceType type, std::string_view name) const {
  const auto& t = of(type);
  Standing standing;
  standing.subscribed = t.opened && covers(type, name);
  if (auto it = t.held.find(name); it != t.held.end()) {
    standing.serving = it->second.serving;
    standing.refused = it->second.refused;
  }
  return standing;
}

std::vector<Rejection> DeltaServerStream::rejections() const {
  std::vector<Rejection> out;
  for (const auto& t : types_) {
    for (const auto& [name, held] : t.held) {
      if (!held.refused.empty()) out.push_back({name, held.refused});
    }
  }
  return out;
}

}  // namespace weft::xds
