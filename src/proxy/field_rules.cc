// Field lines are few; every rule is one pass over them.
#include "proxy/field_rules.h"

#include "wire/h1_over_h2.h"

namespace weft::proxy {

void apply_modifier(const model::HeaderModifier& modifier, wire::Fields& fields) {
  for (const auto& pair : modifier.set) fields.set(pair.name, pair.value);
  for (const auto& pair : modifier.add) fields.add(pair.name, pair.value);
  for (const std::string& name : modifier.remove) fields.remove(name);
}

bool wants_upgrade(const wire::RequestHead& head) {
  if (head.method == "CONNECT") return true;
  return head.version == wire::Version::kHttp11 && head.fields.has("upgrade") &&
         head.fields.has_token("connection", "upgrade") &&
         !head.fields.has_token("upgrade", "h2c") &&
         (head.length.kind == wire::BodyLength::kNone ||
          (head.length.kind == wire::BodyLength::kSized && head.length.size == 0));
}

bool is_plain_connect(const wire::RequestHead& head) {
  return head.method == "CONNECT" && head.protocol.empty();
}

void clean_upgrade_answer(wire::ResponseHead& head, bool) {
  if (head.status == 101) {
    wire::remove_hop_by_hop_but_upgrade(head.fields);
  } else {
    wire::remove_hop_by_hop(head.fields);
  }
  wire::remove_weft_fields(head.fields);
}

bool is_grpc(const wire::Fields& fields) {
  std::optional<std::string_view> type = fields.get("content-type");
  constexpr std::string_view kGrpc = "application/grpc";
  if (!type || !type->starts_with(kGrpc)) return false;
  std::string_view rest = type->substr(kGrpc.size());
  return rest.empty() || rest[0] == '+' || rest[0] == ';';
}

}  // namespace weft::proxy
