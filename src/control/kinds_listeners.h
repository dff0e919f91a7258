// Listeners, as Gateway and ListenerSet have them.
#pragma once

#include "control/kinds_refs.h"

namespace weft::control {

extern const Schema kListenerSchema;
extern const Rule kListenerRules[5];  // on the list
extern const Schema kNamespaceSelectorSchema;

// From a canonical tree; `meta` of the object it is of.
ListenerSpec read_listener(const Node& listener, const ObjectMeta& meta);
// `ref` of an object of that meta: its namespace is the default.
ObjectRef read_object_ref(const Node& ref, const ObjectMeta& meta);
// `namespaces` with from and selector.
NamespaceChoice read_namespaces(const Node& namespaces);

constexpr Field listeners_field() {
  return {.name = "listeners",
          .type = FieldType::kObjectList,
          .description = "Where connections are accepted.",
          .required = true,
          .min = 1,
          .max = 64,
          .object = &kListenerSchema,
          .rules = kListenerRules};
}

}  // namespace weft::control
