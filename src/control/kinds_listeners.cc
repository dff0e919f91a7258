// The table of a listener and the CRD's rules about a list of them.
#include "control/kinds_listeners.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace weft::control {
namespace {

constexpr Field kExpressionFields[] = {
    {.name = "key",
     .type = FieldType::kString,
     .description = "Name of the label.",
     .required = true},
    {.name = "operator",
     .type = FieldType::kString,
     .description = "In, NotIn, Exists or DoesNotExist.",
     .required = true},
    {.name = "values", .type = FieldType::kStringList, .description = "Values to compare with."},
};
const Schema kExpression{"a match expression", "A condition on a label.", kExpressionFields};
constexpr Field kSelectorFields[] = {
    {.name = "matchLabels",
     .type = FieldType::kStringMap,
     .description = "Labels the namespace must have."},
    {.name = "matchExpressions",
     .type = FieldType::kObjectList,
     .description = "Conditions that must all hold.",
     .object = &kExpression},
};

constexpr const char* kFrom[] = {"All", "Selector", "Same"};
constexpr Field kRouteNamespacesFields[] = {
    {.name = "from",
     .type = FieldType::kEnum,
     .description = "Namespaces whose routes may attach.",
     .default_value = "\"Same\"",
     .values = kFrom},
    {.name = "selector",
     .type = FieldType::kObject,
     .description = "For `Selector`: labels of those namespaces.",
     .object = &kNamespaceSelectorSchema},
};
const Schema kRouteNamespaces{"namespaces", "Whose routes may attach.", kRouteNamespacesFields};
constexpr Field kRouteKindFields[] = {group_field("\"gateway.networking.k8s.io\""),
                                      kind_field(nullptr)};
const Schema kRouteKind{"a kind of route", "A kind that may attach.", kRouteKindFields};
constexpr Field kAllowedRoutesFields[] = {
    {.name = "namespaces",
     .type = FieldType::kObject,
     .description = "Whose routes may attach.",
     .default_value = R"({"from": "Same"})",
     .object = &kRouteNamespaces},
    {.name = "kinds",
     .type = FieldType::kObjectList,
     .description = "Kinds of routes that may attach; left out: those that fit the protocol.",
     .max = 8,
     .object = &kRouteKind},
};
const Schema kAllowedRoutes{"allowedRoutes", "Which routes may attach.", kAllowedRoutesFields};

void terminating_has_certificates(const Node& tls, const Report& report) {
  const Node* options = tls.find("options");
  if (tls.text_of("mode") != "Terminate" || !items_of(tls, "certificateRefs").empty()) return;
  if (options && !options->entries.empty()) return;
  report(tls.at, "certificateRefs", "required by mode Terminate, or options in its place");
}
constexpr Rule kTlsRules[] = {
    {"Mode Terminate needs certificateRefs or options.", terminating_has_certificates}};
constexpr const char* kTlsModes[] = {"Terminate", "Passthrough"};
constexpr Field kTlsFields[] = {
    {.name = "mode",
     .type = FieldType::kEnum,
     .description = "Whether TLS ends here or is passed on unread.",
     .default_value = "\"Terminate\"",
     .values = kTlsModes},
    {.name = "certificateRefs",
     .type = FieldType::kObjectList,
     .description = "Certificates with their keys; the first that fits the name is shown.",
     .max = 64,
     .object = &kSecretRefSchema},
    {.name = "options",
     .type = FieldType::kStringMap,
     .description = "Settings of the implementation.",
     .max = 16,
     .unsupported = "Weft has no settings of its own here; it speaks TLS 1.3 alone"},
};
const Schema kTls{"tls", "TLS of a listener.", kTlsFields, kTlsRules};

constexpr Field kListenerFields[] = {
    {.name = "name",
     .type = FieldType::kString,
     .description = "Name of the listener, unique in the object.",
     .required = true,
     .min = 1,
     .max = 253,
     .format = &kSectionName},
    {.name = "hostname",
     .type = FieldType::kString,
     .description = "Host the listener is for, by SNI or Host; any when left out.",
     .min = 1,
     .max = 253,
     .format = &kHostname},
    {.name = "port",
     .type = FieldType::kInteger,
     .description = "Port to listen on.",
     .required = true,
     .min = 1,
     .max = 65535},
    {.name = "protocol",
     .type = FieldType::kString,
     .description = "What is spoken: HTTP, HTTPS, TLS, TCP, UDP.",
     .required = true,
     .min = 1,
     .max = 255,
     .format = &kListenerProtocol},
    {.name = "tls",
     .type = FieldType::kObject,
     .description = "Certificates and mode, for HTTPS and TLS.",
     .object = &kTls},
    {.name = "allowedRoutes",
     .type = FieldType::kObject,
     .description = "Which routes may attach.",
     .default_value = R"({"namespaces": {"from": "Same"}})",
     .object = &kAllowedRoutes},
};

template <typename Check>
void each(const Node& list, Check check) {
  for (size_t i = 0; i < list.items.size(); ++i) {
    check(list.items[i], list.items[i].text_of("protocol"), fmt::format("[{}]", i));
  }
}

void tls_where_it_belongs(const Node& list, const Report& report) {
  each(list, [&](const Node& listener, std::string_view protocol, const std::string& here) {
    const Node* tls = listener.find("tls");
    if (tls && (protocol == "HTTP" || protocol == "TCP" || protocol == "UDP")) {
      report(tls->at, here + ".tls", fmt::format("does not belong to protocol {}", protocol),
             "protocols HTTPS and TLS have it");
    }
  });
}

void https_terminates(const Node& list, const Report& report) {
  each(list, [&](const Node& listener, std::string_view protocol, const std::string& here) {
    const Node* mode = listener.find_path({"tls", "mode"});
    if (protocol == "HTTPS" && mode && mode->text != "Terminate") {
      report(mode->at, here + ".tls.mode",
             fmt::format("protocol HTTPS cannot have mode {}", mode->text),
             "write Terminate, or protocol TLS");
    }
  });
}

void tls_says_its_mode(const Node& list, const Report& report) {
  each(list, [&](const Node& listener, std::string_view protocol, const std::string& here) {
    if (protocol == "TLS" && !listener.find("tls")) {
      report(listener.at, here + ".tls", "required by protocol TLS",
             "with mode: Terminate or Passthrough");
    }
  });
}

void streams_have_no_host(const Node& list, const Report& report) {
  each(list, [&](const Node& listener, std::string_view protocol, const std::string& here) {
    const Node* host = listener.find("hostname");
    if (host && (protocol == "TCP" || protocol == "UDP")) {
      report(host->at, here + ".hostname", fmt::format("does not belong to protocol {}", protocol),
             "nothing in such a connection names a host");
    }
  });
}

void listeners_differ(const Node& list, const Report& report) {
  for (size_t i = 1; i < list.items.size(); ++i) {
    const Node& one = list.items[i];
    for (size_t j = 0; j < i; ++j) {
      const Node& before = list.items[j];
      const auto same = [&](const char* field) {
        return one.text_of(field) == before.text_of(field);
      };
      if (same("name")) {
        report(one.find("name")->at, fmt::format("[{}].name", i),
               fmt::format("the name '{}' is listeners[{}] already", one.text_of("name"), j),
               "each name once");
        break;
      }
      if (!same("protocol") || !same("hostname") ||
          number_of(one, "port") != number_of(before, "port")) {
        continue;
      }
      report(one.at, fmt::format("[{}]", i),
             fmt::format("port, protocol and hostname are those of listeners[{}]", j),
             "a connection must find one listener");
      break;
    }
  }
}

}  // namespace

const Schema kNamespaceSelectorSchema{"selector", "A choice by labels.", kSelectorFields};
const Schema kListenerSchema{"a listener", "Where connections are accepted.", kListenerFields};
const Rule kListenerRules[5] = {
    {"HTTP, TCP and UDP have no tls.", tls_where_it_belongs},
    {"HTTPS has tls.mode Terminate.", https_terminates},
    {"Protocol TLS has tls.", tls_says_its_mode},
    {"TCP and UDP have no hostname.", streams_have_no_host},
    {"Names are unique, and so is port, protocol and hostname together.", listeners_differ}};

namespace {

LabelSelector read_selector(const Node& node) {
  LabelSelector out;
  if (const Node* labels = node.find("matchLabels")) {
    for (const Node::Entry& label : labels->entries) out.labels[label.name] = label.value.text;
  }
  for (const Node& expression : items_of(node, "matchExpressions")) {
    using Expression = LabelSelector::Expression;
    Expression one;
    one.key = expression.text_of("key");
    const std::string_view op = expression.text_of("operator");
    one.op = op == "In"       ? Expression::kIn
             : op == "NotIn"  ? Expression::kNotIn
             : op == "Exists" ? Expression::kExists
                              : Expression::kDoesNotExist;
    for (const Node& value : items_of(expression, "values")) one.values.push_back(value.text);
    out.expressions.push_back(std::move(one));
  }
  return out;
}

}  // namespace

bool LabelSelector::matches(const std::map<std::string, std::string>& of) const {
  const auto has = [&](const auto& label) {
    const auto it = of.find(label.first);
    return it != of.end() && it->second == label.second;
  };
  return std::ranges::all_of(labels, has) &&
         std::ranges::all_of(expressions, [&](const Expression& expression) {
           const auto it = of.find(expression.key);
           const bool there = it != of.end();
           const bool listed =
               there && std::ranges::find(expression.values, it->second) != expression.values.end();
           switch (expression.op) {
             case Expression::kIn: return listed;
             case Expression::kNotIn: return !listed;
             case Expression::kExists: return there;
             case Expression::kDoesNotExist: return !there;
           }
           return false;
         });
}

ObjectRef read_object_ref(const Node& ref, const ObjectMeta& meta) {
  const std::string_view ns = ref.text_of("namespace");
  const std::string_view group = ref.text_of("group");
  return {.group = std::string(group == "core" ? "" : group),
          .kind = std::string(ref.text_of("kind")),
          .ns = ns.empty() ? meta.ns : std::string(ns),
          .name = std::string(ref.text_of("name"))};
}

NamespaceChoice read_namespaces(const Node& namespaces) {
  const std::string_view from = namespaces.text_of("from");
  NamespaceChoice out;
  out.from = from == "All"        ? NamespaceChoice::kAll
             : from == "Selector" ? NamespaceChoice::kSelector
             : from == "None"     ? NamespaceChoice::kNone
                                  : NamespaceChoice::kSame;
  if (const Node* selector = namespaces.find("selector")) out.selector = read_selector(*selector);
  return out;
}

ListenerSpec read_listener(const Node& listener, const ObjectMeta& meta) {
  ListenerSpec out;
  out.name = listener.text_of("name");
  out.hostname = to_lower(listener.text_of("hostname"));
  out.port = static_cast<uint16_t>(number_of(listener, "port"));
  out.protocol = listener.text_of("protocol");
  if (const Node* tls = listener.find("tls")) {
    out.passthrough = tls->text_of("mode") == "Passthrough";
    for (const Node& ref : items_of(*tls, "certificateRefs"))
      out.certificates.push_back(read_object_ref(ref, meta));
  }
  const Node* allowed = listener.find("allowedRoutes");
  if (!allowed) return out;
  if (const Node* namespaces = allowed->find("namespaces"))
    out.routes = read_namespaces(*namespaces);
  for (const Node& kind : items_of(*allowed, "kinds")) {
    out.kinds.push_back({std::string(kind.text_of("group")), std::string(kind.text_of("kind"))});
  }
  return out;
}

}  // namespace weft::control
