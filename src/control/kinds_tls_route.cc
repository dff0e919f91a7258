// TLSRoute (gateway.networking.k8s.io/v1): TLS to a Service, steered by the server name its ClientHello asks
// for and carried untouched.
#include <fmt/format.h>

#include "base/ip.h"
#include "control/kinds.h"
#include "control/kinds_tcp_route.h"

namespace weft::control {
namespace {

// RFC 6066 section 3: literal addresses are not permitted as server names.
void hostnames_are_no_addresses(const Node& list, const Report& report) {
  for (size_t i = 0; i < list.items.size(); ++i) {
    const Node& one = list.items[i];
    if (!IpAddress::parse(one.text)) continue;
    report(one.at, fmt::format("[{}]", i), fmt::format("'{}' is an address", one.text),
           "TLS clients name hosts only; for connections to an address use a TCPRoute");
  }
}
constexpr Rule kHostnameRules[] = {
    {"Hostnames cannot contain an IP address.", hostnames_are_no_addresses}};

constexpr Field hostnames() {
  Field field = hostnames_field(
      "Server names (SNI) the route takes: example.com, or *.example.com for every name below it. "
      "A "
      "name beats a wildcard, a longer wildcard a shorter one; of two routes with the same name "
      "the "
      "older takes it.");
  field.required = true;
  field.min = 1;
  field.max = 1024;
  field.rules = kHostnameRules;
  return field;
}

constexpr Field kSpecFields[] = {
    parent_refs_field(),
    hostnames(),
    tcp_rules_field(),
    use_default_gateways_field(),
};
constexpr Schema kSpec{"a TLSRoute's spec", "Where TLS goes.", kSpecFields};
constexpr auto kDocumentFields =
    document_fields("gateway.networking.k8s.io/v1", "TLSRoute", kNamedMetadata, kSpec);

}  // namespace

const Schema kTlsRouteDocument{
    "TLSRoute", "How TLS to a Service is steered, by server name and unopened.", kDocumentFields};

void read_tls_route(const Node& document, std::string_view, Object& object, Problems&) {
  const Node& spec = *document.find("spec");
  TcpRouteSpec out = read_tcp_route_spec(spec, object.meta);
  for (const Node& name : items_of(spec, "hostnames")) out.hostnames.push_back(name.text);
  object.spec = std::move(out);
}

}  // namespace weft::control
