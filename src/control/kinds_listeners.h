// Listeners, as Gateway and ListenerSet have them.
#pragma once

#include "control/kinds_refs.h"

namespace weft::control {

extern const Schema kListenerSchema;
extern const Rule kListenerRules[5];  // on the list
extern const Schema kNamespaceSelectorSchema;

// From a canonical tree; `meta` of the object it is of.
ListenerSpec read_listener(const Node& listener, const ObjectMeta& meta);

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
