// The tables behind kinds_refs.h, and the CRDs' rules about references.
#include "control/kinds_refs.h"

#include <fmt/format.h>

#include <set>

namespace weft::control {
namespace {

// In the API a parent is a Gateway unless something else is said. A Service lives in the core group, so
// that is what a parentRef to one means when it names none.
const char* parent_group(const Node& parent) {
  return parent.text_of("kind") == "Service" ? "\"\"" : nullptr;
}

constexpr Field parent_group_field() {
  Field field = group_field("\"gateway.networking.k8s.io\"");
  field.description = "API group of the parent; of a Service \"\", which is its default.";
  field.default_when = parent_group;
  return field;
}

constexpr Field kParentFields[] = {
    parent_group_field(),
    kind_field("\"Gateway\""),
    name_field(),
    namespace_field("Namespace of the parent; the route's own when left out. A route in another "
                    "namespace than its "
                    "Service applies to callers of the route's namespace only."),
    port_field("Only this port of the parent; without it every port."),
    section_name_field("Only this listener of a Gateway, or this named port of a Service."),
};

constexpr Field kBackendFields[] = {
    group_field("\"\""),
    kind_field("\"Service\""),
    name_field(),
    namespace_field("Namespace of the backend; the route's own when left out. Another one needs a "
                    "ReferenceGrant there."),
    port_field("Port of the Service; required for a Service."),
    weight_field(),
};

constexpr Field kMirrorFields[] = {
    group_field("\"\""),
    kind_field("\"Service\""),
    name_field(),
    namespace_field("Namespace of the backend; the route's own when left out. Another one needs a "
                    "ReferenceGrant there."),
    port_field("Port of the Service; required for a Service."),
};

constexpr Field kLocalFields[] = {group_field(nullptr), kind_field(nullptr), name_field()};
constexpr Field kSecretFields[] = {
    group_field("\"\""), kind_field("\"Secret\""), name_field(),
    namespace_field("Namespace of the object; the referrer's own when left out.")};
constexpr Field kCaFields[] = {
    group_field(nullptr), kind_field(nullptr), name_field(),
    namespace_field("Namespace of the object; the referrer's own when left out.")};

bool same(const Node& a, const Node& b, std::string_view field) {
  return a.text_of(field) == b.text_of(field);
}
bool same_parent(const Node& a, const Node& b) {
  return same(a, b, "group") && same(a, b, "kind") && same(a, b, "name") && same(a, b, "namespace");
}
bool has_section(const Node& ref) { return !ref.text_of("sectionName").empty(); }

std::string parent_name(const Node& ref) {
  const std::string_view ns = ref.text_of("namespace");
  return fmt::format("{} {}{}{}", ref.text_of("kind"), ns, ns.empty() ? "" : "/",
                     ref.text_of("name"));
}

void parents_differ(const Node& list, const Report& report) {
  for (size_t i = 1; i < list.items.size(); ++i) {
    const Node& one = list.items[i];
    for (size_t j = 0; j < i; ++j) {
      const Node& before = list.items[j];
      if (!same_parent(one, before) || !same(one, before, "sectionName")) continue;
      if (number_of(one, "port") != number_of(before, "port")) continue;
      report(one.at, fmt::format("[{}]", i), "the same parent twice", "each parent once");
      break;
    }
  }
}

void parts_of_a_parent_are_named(const Node& list, const Report& report) {
  for (size_t i = 1; i < list.items.size(); ++i) {
    const Node& one = list.items[i];
    for (size_t j = 0; j < i; ++j) {
      const Node& before = list.items[j];
      if (!same_parent(one, before)) continue;
      const bool ports = (number_of(one, "port") != 0) == (number_of(before, "port") != 0);
      const bool sections = has_section(one) == has_section(before);
      if (ports && sections) continue;
      const char* what = ports ? "sectionName" : "port";
      report(one.at, fmt::format("[{}]", i),
             fmt::format("{} is a parent with and without a {}", parent_name(one), what),
             fmt::format("give each a {}, or only one without", what));
      break;
    }
  }
}

void service_has_port(const Node& ref, const Report& report) {
  if (!ref.text_of("group").empty() || ref.text_of("kind") != "Service" || ref.find("port")) return;
  report(ref.at, "port", "required for a Service", "which port of the Service?");
}

model::ServiceName named(const Node& ref, const ObjectMeta& meta) {
  const std::string_view ns = ref.text_of("namespace");
  return {ns.empty() ? meta.ns : std::string(ns), std::string(ref.text_of("name"))};
}

std::string group_of(const Node& ref) {
  const std::string_view group = ref.text_of("group");
  return std::string(group == "core" ? "" : group);
}

}  // namespace

const Rule kParentRefRules[2] = {
    {"No parent is there twice.", parents_differ},
    {"Of a parent that is there several times, each entry names its port or section.",
     parts_of_a_parent_are_named}};
const Rule kBackendPortRule[1] = {{"A Service needs a port.", service_has_port}};

const Schema kParentRefSchema{"a parentRef", "What the route is attached to.", kParentFields};
const Schema kBackendRefSchema{"a backendRef", "Where traffic goes.", kBackendFields,
                               kBackendPortRule};
const Schema kMirrorRefSchema{"a backendRef", "Where copies go.", kMirrorFields, kBackendPortRule};
const Schema kLocalRefSchema{"a reference", "An object of the same namespace.", kLocalFields};
const Schema kSecretRefSchema{"a reference", "A Secret.", kSecretFields};
const Schema kCaRefSchema{"a reference", "An object with certificates.", kCaFields};
const Schema kParametersSchema{"a reference", "An object with settings of the implementation.",
                               kLocalFields};

void rule_names_differ(const Node& rules, const Report& report) {
  std::set<std::string, std::less<>> names;
  for (size_t i = 0; i < rules.items.size(); ++i) {
    const Node* name = rules.items[i].find("name");
    if (name && !names.insert(name->text).second) {
      report(name->at, fmt::format("[{}].name", i),
             fmt::format("the name '{}' is taken by a rule before", name->text), "each name once");
    }
  }
}

const std::vector<Node>& items_of(const Node& parent, std::string_view name) {
  static const std::vector<Node> kNone;
  const Node* list = parent.find(name);
  return list ? list->items : kNone;
}

std::vector<std::string> texts_of(const Node& parent, std::string_view name) {
  std::vector<std::string> out;
  for (const Node& one : items_of(parent, name)) out.push_back(one.text);
  return out;
}

uint32_t number_of(const Node& parent, std::string_view name) {
  const Node* node = parent.find(name);
  return node ? static_cast<uint32_t>(node->number) : 0;
}

std::vector<ParentRef> read_parent_refs(const Node& spec, const ObjectMeta& meta) {
  std::vector<ParentRef> out;
  for (const Node& ref : items_of(spec, "parentRefs")) {
    out.push_back({.service = named(ref, meta),
                   .port = static_cast<uint16_t>(number_of(ref, "port")),
                   .group = group_of(ref),
                   .kind = std::string(ref.text_of("kind")),
                   .section = std::string(ref.text_of("sectionName"))});
  }
  return out;
}

BackendRef read_backend_ref(const Node& ref, const ObjectMeta& meta) {
  BackendRef out{.group = group_of(ref),
                 .kind = std::string(ref.text_of("kind")),
                 .backend = {},
                 .mirrors = {}};
  out.backend.service = named(ref, meta);
  out.backend.port = static_cast<uint16_t>(number_of(ref, "port"));
  out.backend.weight = ref.find("weight") ? number_of(ref, "weight") : 1;
  return out;
}

}  // namespace weft::control
