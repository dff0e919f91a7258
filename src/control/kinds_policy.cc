// The shared tables of policies. Where a policy's number could harm (a day of delay, a hash by nothing) the
// table refuses it: a sidecar's own bounds (xds/decode_policies.cc) are wider, so that what is accepted here
// never shows as a refusal by every proxy.
#include "control/kinds_policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "control/duration.h"
#include "control/kinds_refs.h"
#include "model/identity.h"

namespace weft::control {
namespace {

constexpr const char* kRouteGroup = "gateway.networking.k8s.io";

// --- targets ---

constexpr const char* kTargetKinds[] = {"Service", "HTTPRoute", "GRPCRoute", "TCPRoute",
                                        "TLSRoute"};

const char* group_of_kind(const Node& target) {
  return target.text_of("kind") == "Service" ? "\"\"" : nullptr;
}

constexpr Field target_group_field() {
  Field field = group_field("\"gateway.networking.k8s.io\"");
  field.description = "API group of the target; of a Service \"\", which is its default.";
  field.default_when = group_of_kind;
  return field;
}

constexpr Field kTargetFields[] = {
    target_group_field(),
    {.name = "kind",
     .type = FieldType::kEnum,
     .description = "Kind of the target.",
     .required = true,
     .values = kTargetKinds},
    {.name = "name",
     .type = FieldType::kString,
     .description = "Name of the target.",
     .required = true,
     .min = 1,
     .max = 253,
     .format = &kDnsSubdomain},
    section_name_field("Only the rule of this name; of routes."),
};

void group_fits_kind(const Node& target, const Report& report) {
  const Node* group = target.find("group");
  if (!group) return;
  const bool service = target.text_of("kind") == "Service";
  const bool core = group->text.empty() || group->text == "core";
  if (service ? core : group->text == kRouteGroup) return;
  report(group->at, "group",
         fmt::format("there is no {} in group '{}'", target.text_of("kind"), group->text),
         "leave it out");
}

void sections_are_rules(const Node& target, const Report& report) {
  const Node* section = target.find("sectionName");
  if (!section || target.text_of("kind") != "Service") return;
  report(section->at, "sectionName", "a Service has no rules",
         "leave it out, or make the route the target");
}

constexpr Rule kTargetItemRules[] = {{"The group is the kind's.", group_fits_kind},
                                     {"Only routes have named rules.", sections_are_rules}};

void targets_are_there_once(const Node& list, const Report& report) {
  for (size_t i = 1; i < list.items.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      const auto same = [&](const char* field) {
        return list.items[i].text_of(field) == list.items[j].text_of(field);
      };
      if (!same("kind") || !same("name") || !same("sectionName")) continue;
      report(list.items[i].at, fmt::format("[{}]", i), "the same target twice", "each target once");
      break;
    }
  }
}

// --- parts of a request ---

constexpr std::pair<const char*, model::RequestKey::Kind> kKeyKinds[] = {
    {"Header", model::RequestKey::kHeader},
    {"Cookie", model::RequestKey::kCookie},
    {"QueryParam", model::RequestKey::kQuery},
    {"SourceIdentity", model::RequestKey::kSourceIdentity},
    {"SourceAddress", model::RequestKey::kSourceAddress}};
constexpr const char* kKeyTypes[] = {"Header", "Cookie", "QueryParam", "SourceIdentity",
                                     "SourceAddress"};

void name_fits_type(const Node& key, const Report& report) {
  const std::string_view type = key.text_of("type");
  if (type.empty()) return;  // reported
  const Node* name = key.find("name");
  if (type.starts_with("Source")) {
    if (name) report(name->at, "name", fmt::format("does not belong to type {}", type));
    return;
  }
  if (!name) return report(key.at, "name", fmt::format("required by type {}", type));
  if (type == "QueryParam" || kHeaderName.matches(name->text)) return;
  report(name->at, "name",
         fmt::format("'{}' cannot be the name of a {}", name->text, to_lower(type)),
         "letters, digits and !#$%&'*+-.^_`|~ (RFC 9110 token)");
}

void only_cookies_live(const Node& key, const Report& report) {
  const Node* ttl = key.find("ttl");
  const std::string_view type = key.text_of("type");
  if (ttl && type != "Cookie") {
    report(ttl->at, "ttl", fmt::format("does not belong to type {}", type));
  }
}

constexpr Rule kKeyRules[] = {
    {"Header, Cookie and QueryParam have a name, the others have none.", name_fits_type}};
constexpr Rule kHashKeyRules[] = {
    {"Header, Cookie and QueryParam have a name, the others have none.", name_fits_type},
    {"Only a Cookie has a ttl.", only_cookies_live}};

constexpr Field key_type_field() {
  return {.name = "type",
          .type = FieldType::kEnum,
          .description =
              "Which part. SourceIdentity is the caller's SPIFFE ID, SourceAddress the "
              "address of its instance.",
          .required = true,
          .values = kKeyTypes};
}
constexpr Field key_name_field() {
  return {.name = "name",
          .type = FieldType::kString,
          .description = "Of the header (any case), the cookie or the query parameter.",
          .min = 1,
          .max = 256,
          .format = &kHeaderValue};
}
constexpr Field kKeyFields[] = {key_type_field(), key_name_field()};
constexpr Field kHashKeyFields[] = {
    key_type_field(), key_name_field(),
    duration_field(
        "ttl", "Of a cookie: a request without it gets one that lives so long. 0s: it gets none.",
        nullptr, kUpToADay)};

// --- callers ---

bool is_caller_of(std::string_view text, bool rest) {
  if (rest && text.ends_with('*')) text.remove_suffix(1);
  if (text.starts_with("spiffe://")) {
    return text.size() > 9 && text.size() <= 2048 &&
           std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f && c != '*'; });
  }
  const auto parts = split_once(text, '/');
  if (!parts || !model::is_dns_label(parts->first)) return false;
  return (rest && parts->second.empty()) || model::is_dns_label(parts->second);
}
bool is_caller(std::string_view text) { return is_caller_of(text, true); }
bool is_exact_caller(std::string_view text) { return is_caller_of(text, false); }

// --- durations ---

void check_time(const Node& value, const Report& report, bool zero) {
  const auto time = parse_gateway_duration(value.text);
  if (!time) return;  // reported
  if (*time > Duration::hours(24)) {
    report(value.at, "", fmt::format("{} is longer than a day", value.text), "at most 24h");
  } else if (!zero && time->ns == 0) {
    report(value.at, "", "must be longer than 0s", "for example 1s");
  }
}
void some_time(const Node& value, const Report& report) { check_time(value, report, false); }
void up_to_a_day(const Node& value, const Report& report) { check_time(value, report, true); }

}  // namespace

const Rule kPolicyTargetRules[1] = {{"No target is there twice.", targets_are_there_once}};
const Schema kPolicyTargetSchema{"a targetRef", "What the policy is for.", kTargetFields,
                                 kTargetItemRules};
const Schema kRequestKeySchema{"a part of a request", "A part of a request.", kKeyFields,
                               kKeyRules};
const Schema kHashKeySchema{"a part of a request", "A part of a request.", kHashKeyFields,
                            kHashKeyRules};
const Format kCaller{"a caller: NAMESPACE/NAME or a SPIFFE ID, a '*' at its end is any rest",
                     "shop/web", is_caller};
const Format kExactCaller{"a caller: NAMESPACE/NAME or a SPIFFE ID", "shop/web", is_exact_caller};
const Rule kSomeTime[1] = {{"Longer than 0s, at most 24h.", some_time}};
const Rule kUpToADay[1] = {{"At most 24h.", up_to_a_day}};

PolicyTargets read_targets(const Node& spec) {
  PolicyTargets out;
  for (const Node& ref : items_of(spec, "targetRefs")) {
    const std::string_view group = ref.text_of("group");
    out.push_back({.group = std::string(group == "core" ? "" : group),
                   .kind = std::string(ref.text_of("kind")),
                   .name = std::string(ref.text_of("name")),
                   .section = std::string(ref.text_of("sectionName"))});
  }
  return out;
}

std::vector<model::RequestKey> read_request_keys(const Node& parent, std::string_view name) {
  std::vector<model::RequestKey> out;
  for (const Node& node : items_of(parent, name)) {
    model::RequestKey key;
    for (const auto& [type, kind] : kKeyKinds) {
      if (node.text_of("type") == type) key.kind = kind;
    }
    key.name = node.text_of("name");
    key.cookie_ttl = duration_of(node, "ttl");
    out.push_back(std::move(key));
  }
  return out;
}

Duration duration_of(const Node& parent, std::string_view name) {
  return parse_gateway_duration(parent.text_of(name)).value_or(Duration{});
}

bool flag_of(const Node& parent, std::string_view name) {
  const Node* node = parent.find(name);
  return node && node->number != 0;
}

int64_t scaled_of(const Node& parent, std::string_view name, int decimals) {
  const Node* node = parent.find(name);
  return node ? scaled_decimal(node->text, decimals).value_or(0) : 0;
}

int grpc_code(std::string_view name) {
  const auto* it =
      std::ranges::find(kGrpcFailures, name, [](const char* one) { return std::string_view(one); });
  return it == std::end(kGrpcFailures) ? -1 : static_cast<int>(it - kGrpcFailures) + 1;
}

}  // namespace weft::control
