// TCPRoute (gateway.networking.k8s.io/v1): opaque connections to a Service, shared by weight.
#include "control/kinds_tcp_route.h"

#include "control/kinds.h"

namespace weft::control {
namespace {

constexpr Field kRuleFields[] = {
    rule_name_field(),
    {.name = "backendRefs",
     .type = FieldType::kObjectList,
     .description =
         "Services that share the connections by weight. One that cannot be used has its "
         "share reset.",
     .required = true,
     .min = 1,
     .max = 16,
     .object = &kBackendRefSchema},
};

constexpr Field kSpecFields[] = {
    parent_refs_field(),
    tcp_rules_field(),
    use_default_gateways_field(),
};
constexpr Schema kSpec{"a TCPRoute's spec", "Where connections go.", kSpecFields};
constexpr auto kDocumentFields =
    document_fields("gateway.networking.k8s.io/v1", "TCPRoute", kNamedMetadata, kSpec);

}  // namespace

const Schema kTcpRuleSchema{"a rule", "Where connections go.", kRuleFields};
const Schema kTcpRouteDocument{
    "TCPRoute", "How connections to a Service are steered, whatever they carry.", kDocumentFields};

TcpRouteSpec read_tcp_route_spec(const Node& spec, const ObjectMeta& meta) {
  TcpRouteSpec out;
  out.parents = read_parent_refs(spec, meta);
  const std::vector<Node>& rules = items_of(spec, "rules");
  if (rules.empty()) return out;  // reported
  out.rule = rules[0].text_of("name");
  if (out.rule.empty()) out.rule = "0";
  for (const Node& ref : items_of(rules[0], "backendRefs")) {
    out.backends.push_back(read_backend_ref(ref, meta));
  }
  return out;
}

void read_tcp_route(const Node& document, std::string_view, Object& object, Problems&) {
  object.spec = read_tcp_route_spec(*document.find("spec"), object.meta);
}

}  // namespace weft::control
