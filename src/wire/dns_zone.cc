// First the question's name is read (what is it about?), then answered by its type. Lives are
// short: a virtual address is stable but a service may be made at any moment, so negative answers
// are kept for 5 s (RFC 2308), positive ones for 30, and those of instances for 5.
#include "wire/dns_zone.h"

#include <array>
#include <charconv>
#include <ranges>
#include <string_view>
#include <utility>

namespace weft::wire {
namespace {

constexpr std::string_view kZone = "svc.mesh";
constexpr uint32_t kServiceTtl = 30, kInstanceTtl = 5, kNegativeTtl = 5;
constexpr uint8_t kEdnsVersion = 0;

std::vector<std::string_view> split(std::string_view name) {
  std::vector<std::string_view> labels;
  if (name.empty()) return labels;
  for (const auto label : std::views::split(name, '.'))
    labels.emplace_back(label.begin(), label.end());
  return labels;
}

// "cart.svc.mesh" without ".svc.mesh", "svc.mesh" as ""; nothing for other names.
std::optional<std::string_view> without_suffix(std::string_view name, std::string_view suffix) {
  if (name == suffix) return name.substr(0, 0);
  if (name.size() <= suffix.size() || !name.ends_with(suffix)) return std::nullopt;
  name.remove_suffix(suffix.size());
  if (!name.ends_with('.')) return std::nullopt;
  name.remove_suffix(1);
  return name;
}

// What a question is about.
struct Subject {
  bool in_zone = false;     // under svc.mesh: ours alone to answer
  bool short_name = false;  // of one or two labels
  std::string_view port;    // of "_http._tcp."; "" when it is no such name
  std::string_view instance;
  std::optional<model::ServiceName> service;  // syntactically one, known or not
  size_t labels = 0;                          // before the zone
};

std::optional<model::ServiceName> service_of(std::string_view name, std::string_view ns) {
  if (!model::is_dns_label(name) || !model::is_dns_label(ns)) return std::nullopt;
  return model::ServiceName{std::string(ns), std::string(name)};
}

Subject subject_of(std::string_view name, const DnsZoneView& view) {
  Subject subject;
  const auto rest = without_suffix(name, kZone);
  subject.in_zone = rest.has_value();
  auto labels = split(rest.value_or(name));
  subject.labels = labels.size();
  if (labels.size() > 2 && labels[0].starts_with('_') && labels[1] == "_tcp") {
    subject.port = labels[0].substr(1);
    labels.erase(labels.begin(), labels.begin() + 2);
  }
  if (subject.in_zone && labels.size() == 3 && subject.port.empty()) {
    subject.instance = labels[0];
    labels.erase(labels.begin());
  }
  subject.short_name = !subject.in_zone && (labels.size() == 1 || labels.size() == 2);
  if (labels.size() == 2) subject.service = service_of(labels[0], labels[1]);
  if (labels.size() == 1 && subject.short_name) {
    subject.service = service_of(labels[0], view.default_namespace);
  }
  return subject;
}

// The four or sixteen bytes of a reverse name (RFC 1035, section 3.5; RFC 3596, section 2.5).
std::optional<IpAddress> reverse_address(std::string_view name) {
  const auto bytes_of = [](std::string_view text, int base,
                           size_t count) -> std::optional<std::string> {
    auto labels = split(text);
    if (labels.size() != count) return std::nullopt;
    std::string values;
    for (const std::string_view label : labels | std::views::reverse) {
      unsigned value = 0;
      const auto [end, error] = std::from_chars(label.begin(), label.end(), value, base);
      if (error != std::errc() || end != label.end() || value > (base == 16 ? 15u : 255u)) {
        return std::nullopt;
      }
      values += static_cast<char>(value);
    }
    return values;
  };
  std::optional<std::string> bytes;
  if (auto v4 = without_suffix(name, "in-addr.arpa")) {
    bytes = bytes_of(*v4, 10, 4);
  } else if (auto v6 = without_suffix(name, "ip6.arpa")) {
    if (const auto nibbles = bytes_of(*v6, 16, 32)) {
      bytes.emplace();
      for (size_t i = 0; i < 32; i += 2) {
        *bytes += static_cast<char>((*nibbles)[i] << 4 | (*nibbles)[i + 1]);
      }
    }
  }
  if (!bytes) return std::nullopt;
  auto address = IpAddress::from_bytes(*bytes);
  if (!address) return std::nullopt;
  return *address;
}

// Makes the reply to one question, piece by piece.
class Answerer {
 public:
  Answerer(const DnsMessage& query, const DnsZoneView& view)
      : query_(query), question_(query.questions[0]), view_(view) {}

  DnsOutcome answer();

 private:
  DnsOutcome reply(DnsCode code) {
    DnsOutcome outcome{.kind = DnsOutcome::kAnswer, .reply = dns_reply_to(query_, code)};
    outcome.reply.authoritative = code == DnsCode::kNoError || code == DnsCode::kNxDomain;
    outcome.service = known_;
    return outcome;
  }
  DnsOutcome negative(DnsCode code);
  DnsOutcome wait_for(const model::ServiceName& name) {
    DnsOutcome outcome = reply(DnsCode::kServFail);
    outcome.kind = DnsOutcome::kWait;
    outcome.needs = name;
    return outcome;
  }
  // A name that nobody knows: absent, or only not heard of yet?
  DnsOutcome unknown() {
    return view_.index_complete ? negative(DnsCode::kNxDomain) : reply(DnsCode::kServFail);
  }
  bool wants(DnsType type) const {
    return question_.type == type || question_.type == DnsType::kAny;
  }
  void add_addresses(std::vector<DnsRecord>& into, const std::string& name, const IpAddress& v4,
                     const IpAddress& v6, uint32_t ttl, bool all) const;
  DnsOutcome answer_zone_apex();
  DnsOutcome answer_reverse(const IpAddress& address);
  DnsOutcome answer_service(const Subject& subject, const model::NameEntry& entry);
  DnsOutcome answer_headless(const model::NameEntry& entry);
  DnsOutcome answer_instance(std::string_view instance, const model::NameEntry& entry);
  DnsOutcome answer_srv(std::string_view port, const model::NameEntry& entry);
  void add_srv(DnsMessage& reply, const model::ServicePort& port, const model::NameEntry& entry,
               const model::EndpointSet* endpoints) const;

  const DnsMessage& query_;
  const DnsQuestion& question_;
  const DnsZoneView& view_;
  std::string name_;  // lower case
  bool in_zone_ = false;
  std::optional<model::ServiceName> known_;
};

DnsRecord soa() {
  return {.name = std::string(kZone),
          .type = DnsType::kSoa,
          .ttl = kNegativeTtl,
          .data = DnsSoa{.primary = "ns.svc.mesh",
                         .mailbox = "hostmaster.svc.mesh",
                         .serial = 1,
                         .refresh = 3600,
                         .retry = 600,
                         .expire = 86400,
                         .minimum = kNegativeTtl}};
}

DnsOutcome Answerer::negative(DnsCode code) {
  DnsOutcome outcome = reply(code);
  // A short name lies outside of our zone: without an SOA nobody keeps the answer.
  if (in_zone_) outcome.reply.authority.push_back(soa());
  return outcome;
}

void Answerer::add_addresses(std::vector<DnsRecord>& into, const std::string& name,
                             const IpAddress& v4, const IpAddress& v6, uint32_t ttl,
                             bool all) const {
  const auto add = [&](const IpAddress& address, DnsType type) {
    if (address.is_unspecified() || !(all || wants(type))) return;
    into.push_back({.name = name, .type = type, .ttl = ttl, .data = address});
  };
  add(v4, DnsType::kA);
  add(v6, DnsType::kAaaa);
}

DnsOutcome Answerer::answer() {
  if (query_.edns && query_.edns->version > kEdnsVersion) return reply(DnsCode::kBadVers);
  if (question_.klass != kDnsClassIn) return {};
  name_ = dns_lower(question_.name);
  if (const auto address = reverse_address(name_)) {
    return view_.is_mesh_address(*address) ? answer_reverse(*address) : DnsOutcome{};
  }
  Subject subject = subject_of(name_, view_);
  in_zone_ = subject.in_zone;
  if (in_zone_ && subject.labels == 0) return answer_zone_apex();
  if (subject.service) {
    if (const auto entry = view_.find(*subject.service)) return answer_service(subject, *entry);
  }
  if (in_zone_) {
    // "default.svc.mesh" has names beneath it, whether or not we know of any (RFC 8020).
    return subject.labels == 1 ? negative(DnsCode::kNoError) : unknown();
  }
  if (subject.short_name && subject.service && !view_.index_complete) {
    return reply(DnsCode::kServFail);
  }
  for (const std::string& domain : view_.search) {
    const auto rest = without_suffix(name_, domain);
    if (!rest || rest->empty()) continue;
    subject = subject_of(*rest, view_);
    if (!subject.service) continue;
    if (const auto entry = view_.find(*subject.service)) return answer_service(subject, *entry);
  }
  return {};
}

DnsOutcome Answerer::answer_zone_apex() {
  DnsOutcome outcome = negative(DnsCode::kNoError);
  if (wants(DnsType::kSoa)) std::swap(outcome.reply.answers, outcome.reply.authority);
  return outcome;
}

DnsOutcome Answerer::answer_reverse(const IpAddress& address) {
  const auto name = view_.reverse(address);
  if (!name) return unknown();
  DnsOutcome outcome = reply(DnsCode::kNoError);
  if (wants(DnsType::kPtr)) {
    outcome.reply.answers.push_back({.name = question_.name,
                                     .type = DnsType::kPtr,
                                     .ttl = kServiceTtl,
                                     .data = DnsName{*name}});
  }
  return outcome;
}

DnsOutcome Answerer::answer_service(const Subject& subject, const model::NameEntry& entry) {
  known_ = entry.service;
  if (!subject.port.empty()) return answer_srv(subject.port, entry);
  if (!subject.instance.empty()) return answer_instance(subject.instance, entry);
  if (entry.headless && (wants(DnsType::kA) || wants(DnsType::kAaaa)))
    return answer_headless(entry);
  DnsOutcome outcome = negative(DnsCode::kNoError);
  add_addresses(outcome.reply.answers, question_.name, entry.vip4, entry.vip6, kServiceTtl, false);
  if (!outcome.reply.answers.empty()) outcome.reply.authority.clear();
  return outcome;
}

DnsOutcome Answerer::answer_headless(const model::NameEntry& entry) {
  const auto set = view_.endpoints(entry.service);
  if (!set) return wait_for(entry.service);
  DnsOutcome outcome = negative(DnsCode::kNoError);
  for (const model::Endpoint& endpoint : set->endpoints) {
    if (!endpoint.ready) continue;
    add_addresses(outcome.reply.answers, question_.name, endpoint.mesh4, endpoint.mesh6,
                  kInstanceTtl, false);
  }
  if (!outcome.reply.answers.empty()) outcome.reply.authority.clear();
  return outcome;
}

DnsOutcome Answerer::answer_instance(std::string_view instance, const model::NameEntry& entry) {
  const auto set = view_.endpoints(entry.service);
  if (!set) return wait_for(entry.service);
  for (const model::Endpoint& endpoint : set->endpoints) {
    if (endpoint.workload != instance) continue;
    DnsOutcome outcome = negative(DnsCode::kNoError);
    add_addresses(outcome.reply.answers, question_.name, endpoint.mesh4, endpoint.mesh6,
                  kInstanceTtl, false);
    if (!outcome.reply.answers.empty()) outcome.reply.authority.clear();
    return outcome;
  }
  return negative(DnsCode::kNxDomain);
}

DnsOutcome Answerer::answer_srv(std::string_view port_name, const model::NameEntry& entry) {
  const auto service = view_.service(entry.service);
  if (!service) return wait_for(entry.service);
  std::shared_ptr<const model::EndpointSet> endpoints;
  if (entry.headless) {
    endpoints = view_.endpoints(entry.service);
    if (!endpoints) return wait_for(entry.service);
  }
  for (const model::ServicePort& port : service->ports) {
    if (port.name != port_name) continue;
    DnsOutcome outcome = negative(DnsCode::kNoError);
    if (wants(DnsType::kSrv)) add_srv(outcome.reply, port, entry, endpoints.get());
    if (!outcome.reply.answers.empty()) outcome.reply.authority.clear();
    return outcome;
  }
  return negative(DnsCode::kNxDomain);
}

// One record for a virtual address, or one for each instance of a headless service.
void Answerer::add_srv(DnsMessage& reply, const model::ServicePort& port,
                       const model::NameEntry& entry, const model::EndpointSet* endpoints) const {
  const auto add = [&](uint16_t number, const std::string& target, const IpAddress& v4,
                       const IpAddress& v6, uint32_t ttl) {
    reply.answers.push_back({.name = question_.name,
                             .type = DnsType::kSrv,
                             .ttl = ttl,
                             .data = DnsSrv{.weight = 100, .port = number, .target = target}});
    add_addresses(reply.additional, target, v4, v6, ttl, true);
  };
  const std::string service_name = entry.service.dns_name();
  if (endpoints == nullptr) {
    add(port.port, service_name, entry.vip4, entry.vip6, kServiceTtl);
    return;
  }
  for (const model::Endpoint& endpoint : endpoints->endpoints) {
    if (!endpoint.ready || !model::is_dns_label(endpoint.workload)) continue;
    // An instance is reached at the port its app listens on.
    const auto target = endpoint.target_ports.find(port.port);
    if (target == endpoint.target_ports.end()) continue;
    add(target->second, endpoint.workload + "." + service_name, endpoint.mesh4, endpoint.mesh6,
        kInstanceTtl);
  }
}

}  // namespace

DnsOutcome dns_answer(const DnsMessage& query, const DnsZoneView& view) {
  return Answerer(query, view).answer();
}

}  // namespace weft::wire
