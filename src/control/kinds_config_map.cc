// core/v1 ConfigMap: text that other objects refer to. Weft reads authorities from it (`ca.crt`); what else is in
// it is kept and shown.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "control/base64.h"
#include "control/kinds.h"

namespace weft::control {
namespace {

constexpr size_t kMostBytes = 1024 * 1024;

bool is_key(std::string_view text) {
  return !text.empty() && text.size() <= 253 && text != "." && text != ".." &&
         std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_' || c == '.';
         });
}
const Format kKey{"a key: up to 253 of letters, digits, '-', '_' and '.'", "ca.crt", is_key};

void keys_differ(const Node& document, const Report& report) {
  const Node* text = document.find("data");
  const Node* binary = document.find("binaryData");
  if (!text || !binary) return;
  for (const Node::Entry& entry : binary->entries) {
    if (text->find(entry.name)) {
      report(entry.value.at, "binaryData." + entry.name, "the same key is in data",
             "each key once");
    }
  }
}
constexpr Rule kRules[] = {{"No key is in both data and binaryData.", keys_differ}};

constexpr Field kFields[] = {
    {.name = "apiVersion", .type = FieldType::kString, .description = "v1", .required = true},
    {.name = "kind", .type = FieldType::kString, .description = "ConfigMap", .required = true},
    {.name = "metadata",
     .type = FieldType::kObject,
     .description = "Who the object is.",
     .required = true,
     .object = &kNamedMetadata},
    {.name = "data",
     .type = FieldType::kStringMap,
     .description = "Text by key. `ca.crt`: authorities as PEM certificates.",
     .format = &kAnyText,
     .key_format = &kKey},
    {.name = "binaryData",
     .type = FieldType::kStringMap,
     .description = "The same in base64.",
     .format = &kAnyText,
     .key_format = &kKey},
    {.name = "immutable", .type = FieldType::kIgnored, .description = "Not enforced."},
    {.name = "status", .type = FieldType::kIgnored, .description = "Written by the server."},
};

}  // namespace

const Schema kConfigMapDocument{"ConfigMap",
                                "Text that other objects refer to, such as the authorities by "
                                "which peers outside the mesh are verified.",
                                kFields, kRules};

void read_config_map(const Node& document, std::string_view file, Object& object,
                     Problems& problems) {
  ConfigMapSpec spec;
  size_t bytes = 0;
  const auto report = [&](Position at, std::string path, std::string what, std::string hint) {
    problems.push_back({std::string(file), at, std::move(path), std::move(what), std::move(hint)});
  };
  const auto keep = [&](const std::string& key, std::string value) {
    bytes += key.size() + value.size();
    spec.data[key] = std::move(value);
  };
  if (const Node* text = document.find("data")) {
    for (const Node::Entry& entry : text->entries) keep(entry.name, entry.value.text);
  }
  if (const Node* binary = document.find("binaryData")) {
    for (const Node::Entry& entry : binary->entries) {
      auto decoded = decode_base64(entry.value.text);
      if (!decoded) {
        report(entry.value.at, "binaryData." + entry.name, "is not base64",
               "data takes text as it is");
        continue;
      }
      keep(entry.name, std::move(*decoded));
    }
  }
  if (bytes > kMostBytes) {
    report(document.at, "data", fmt::format("{} bytes, at most {} are kept", bytes, kMostBytes),
           "");
  }
  object.spec = std::move(spec);
}

}  // namespace weft::control
