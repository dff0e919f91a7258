// core/v1 Secret of type kubernetes.io/tls: a certificate chain and its key, for a listener of a Gateway.
// What is wrong with a value is told without the value. A pair that no server could show is kept, as
// Kubernetes does; who refers to it says so in its status.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "control/base64.h"
#include "control/kinds.h"
#include "control/secrets.h"
#include "trust/tls.h"

namespace weft::control {
namespace {

constexpr const char* kTypes[] = {"kubernetes.io/tls"};
constexpr const char* kChain = "tls.crt";
constexpr const char* kKey = "tls.key";
constexpr size_t kMostBytes = 256 * 1024;

constexpr Field kFields[] = {
    {.name = "apiVersion", .type = FieldType::kString, .description = "v1", .required = true},
    {.name = "kind", .type = FieldType::kString, .description = "Secret", .required = true},
    {.name = "metadata",
     .type = FieldType::kObject,
     .description = "Who the object is.",
     .required = true,
     .object = &kNamedMetadata},
    {.name = "type",
     .type = FieldType::kEnum,
     .description = "What is in it: a certificate chain `tls.crt` and its key `tls.key`, as PEM.",
     .required = true,
     .values = kTypes},
    {.name = "data",
     .type = FieldType::kStringMap,
     .description = "The values in base64. `weft get` shows the certificate, never the key.",
     .format = &kAnyText,
     .key_format = &kAnyText},
    {.name = "stringData",
     .type = FieldType::kStringMap,
     .description = "The values as they are; of a name that `data` has too, this one counts.",
     .format = &kAnyText,
     .key_format = &kAnyText},
    {.name = "immutable", .type = FieldType::kIgnored, .description = "Not enforced."},
    {.name = "status", .type = FieldType::kIgnored, .description = "Written by the server."},
};

class Reader {
 public:
  Reader(const Node& document, std::string_view file, Problems& problems)
      : document_(document), file_(file), problems_(problems) {}

  std::string value(const char* name) {
    if (const Node* plain = find("stringData", name)) return plain->text;
    const Node* encoded = find("data", name);
    if (!encoded) {
      report(document_.at, std::string("data.") + name, "required by type kubernetes.io/tls");
      return "";
    }
    auto decoded = decode_base64(encoded->text);
    if (!decoded) {
      report(encoded->at, std::string("data.") + name, "is not base64",
             encoded->text == kHidden ? "`weft get` does not show keys: apply the file you have"
                                      : "stringData takes text as it is");
      return "";
    }
    return *decoded;
  }

  void check_size(size_t bytes) {
    if (bytes <= kMostBytes) return;
    report(document_.at, "data", fmt::format("{} bytes, at most {} are kept", bytes, kMostBytes));
  }

 private:
  const Node* find(const char* map, const char* name) const {
    const Node* values = document_.find(map);
    return values ? values->find(name) : nullptr;
  }
  void report(Position at, std::string path, std::string what, std::string hint = "") {
    problems_.push_back(
        {std::string(file_), at, std::move(path), std::move(what), std::move(hint)});
  }

  const Node& document_;
  std::string_view file_;
  Problems& problems_;
};

}  // namespace

const Schema kSecretDocument{"Secret", "A certificate and its key, for a Gateway.", kFields};

void read_secret(const Node& document, std::string_view file, Object& object, Problems& problems) {
  Reader reader(document, file, problems);
  SecretSpec spec;
  spec.chain_pem = reader.value(kChain);
  spec.key_pem = reader.value(kKey);
  reader.check_size(spec.chain_pem.size() + spec.key_pem.size());
  if (auto server = trust::make_public_server(spec.chain_pem, spec.key_pem, {}); !server)
    spec.problem = server.error().message();
  object.spec = std::move(spec);
}

void hide_secrets(Node& document) {
  for (Node::Entry& part : document.entries) {
    if (part.name != "data" && part.name != "stringData") continue;
    for (Node::Entry& value : part.value.entries) {
      if (value.name != kChain) value.value = Node::string(kHidden);
    }
  }
}

}  // namespace weft::control
