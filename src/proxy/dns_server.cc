// A question costs one lookup in the snapshot; only names the mesh does not know leave the process.
#include "proxy/dns_server.h"

namespace weft::proxy {
namespace {

std::shared_ptr<const model::EndpointSet> endpoint_set(const Snapshot& snapshot,
                                                       const model::ServiceName& name) {
  auto group = snapshot.group(name);
  if (!group) return nullptr;
  auto set = std::make_shared<model::EndpointSet>();
  set->service = name;
  for (const LiveEndpoint& live : group->endpoints) set->endpoints.push_back(live.endpoint);
  return set;
}

std::optional<std::string> name_of(const Snapshot& snapshot, const IpAddress& address) {
  if (const model::NameEntry* entry = snapshot.name_at(address)) return entry->service.dns_name();
  for (const auto& [service, group] : snapshot.endpoints) {
    for (const LiveEndpoint& live : group->endpoints) {
      if (live.endpoint.mesh4 == address || live.endpoint.mesh6 == address) {
        return live.endpoint.workload + "." + service.dns_name();
      }
    }
  }
  return std::nullopt;
}

bool is_nxdomain(const std::string& message) {
  return message.size() >= 12 && (message[3] & 0x0f) == static_cast<int>(wire::DnsCode::kNxDomain);
}

}  // namespace

DnsServer::DnsServer(io::Loop& loop, Options options, Hooks hooks)
    : loop_(loop),
      options_(std::move(options)),
      hooks_(std::move(hooks)),
      young_until_(loop.now() + kHold) {}

wire::DnsZoneView DnsServer::view(bool complete) const {
  SnapshotPtr snapshot = hooks_.snapshot();
  wire::DnsZoneView view;
  view.default_namespace = options_.default_namespace;
  view.search = options_.search;
  view.index_complete = complete;
  view.find = [snapshot](const model::ServiceName& name) -> std::optional<model::NameEntry> {
    auto found = snapshot->names->by_name.find(name);
    if (found == snapshot->names->by_name.end()) return std::nullopt;
    return found->second;
  };
  view.endpoints = [snapshot](const model::ServiceName& name) {
    return endpoint_set(*snapshot, name);
  };
  view.service =
      [snapshot](const model::ServiceName& name) -> std::shared_ptr<const model::Service> {
    const LiveService* live = snapshot->service(name);
    if (!live) return nullptr;
    return {live->compiled, &live->compiled->service};
  };
  view.is_mesh_address = [this](const IpAddress& address) {
    return options_.ranges.contains(address);
  };
  view.reverse = [snapshot](const IpAddress& address) { return name_of(*snapshot, address); };
  return view;
}

void DnsServer::ask(std::string query, bool tcp, Reply reply) {
  auto parsed = wire::parse_dns_query(query);
  if (!parsed) {
    wire::DnsCode code = parsed.error().kind() == ErrorKind::kUnsupported ? wire::DnsCode::kNotImp
                                                                          : wire::DnsCode::kFormErr;
    return reply(wire::dns_refusal(query, code));
  }
  if (answer(query, *parsed, tcp, reply)) return;
  held_.push_back({std::move(query), std::move(*parsed), tcp, std::move(reply), nullptr});
  auto held = std::prev(held_.end());
  held->timer = std::make_unique<io::Timer>(loop_, [this, held] { give_up(held); });
  held->timer->arm(kHold);
}

bool DnsServer::answer(const std::string& query, const wire::DnsMessage& parsed, bool tcp,
                       Reply& reply) {
  bool current = hooks_.index_current();
  wire::DnsOutcome outcome = wire::dns_answer(parsed, view(current));
  if (outcome.service) hooks_.want(*outcome.service);
  if (outcome.kind == wire::DnsOutcome::kWait) {
    hooks_.want(outcome.needs);
    return false;
  }
  bool uncertain = !current && outcome.kind == wire::DnsOutcome::kAnswer &&
                   outcome.reply.code == wire::DnsCode::kServFail;
  if (uncertain && loop_.now() < young_until_) return false;
  if (uncertain && wire::dns_answer(parsed, view(true)).kind == wire::DnsOutcome::kForward) {
    std::string failure =
        wire::build_dns(outcome.reply, tcp ? wire::kDnsTcpLimit : wire::dns_udp_limit(parsed));
    hooks_.forward(query, tcp, [failure, reply = std::move(reply)](std::string message) mutable {
      reply(message.empty() || is_nxdomain(message) ? failure : std::move(message));
    });
    return true;
  }
  if (outcome.kind == wire::DnsOutcome::kForward) {
    std::string failure = wire::build_dns(wire::dns_reply_to(parsed, wire::DnsCode::kServFail),
                                          wire::dns_udp_limit(parsed));
    hooks_.forward(query, tcp, [failure, reply = std::move(reply)](std::string message) mutable {
      reply(message.empty() ? failure : std::move(message));
    });
    return true;
  }
  send(parsed, outcome.reply, tcp, reply);
  return true;
}

void DnsServer::send(const wire::DnsMessage& parsed, const wire::DnsMessage& message, bool tcp,
                     Reply& reply) {
  reply(wire::build_dns(message, tcp ? wire::kDnsTcpLimit : wire::dns_udp_limit(parsed)));
}

void DnsServer::changed() {
  for (auto at = held_.begin(); at != held_.end();) {
    auto held = at++;
    if (answer(held->query, held->parsed, held->tcp, held->reply)) held_.erase(held);
  }
}

void DnsServer::give_up(std::list<Held>::iterator held) {
  Held last = std::move(*held);
  held_.erase(held);
  wire::DnsOutcome outcome = wire::dns_answer(last.parsed, view(hooks_.index_current()));
  if (outcome.kind == wire::DnsOutcome::kForward)
    outcome.reply = wire::dns_reply_to(last.parsed, wire::DnsCode::kServFail);
  send(last.parsed, outcome.reply, last.tcp, last.reply);
}

}  // namespace weft::proxy
