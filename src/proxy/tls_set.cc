// One context per form of the hop, because a context carries its ALPN list. Contexts are made once an
// hour, so their cost (a fraction of a millisecond each) does not matter.
#include "proxy/tls_set.h"

#include "proxy/sni.h"

namespace weft::proxy {

Result<TlsSetPtr> make_tls_set(uint64_t generation, std::shared_ptr<const trust::Svid> svid,
                               const trust::TrustBundle& bundle, const std::string& instance,
                               const TlsSetPtr& other) {
  auto set = std::make_shared<TlsSet>();
  set->generation = generation;
  set->svid = svid;
  set->bundle = bundle;
  struct Form {
    trust::TlsContextPtr* context;
    std::string_view alpn;
  };
  for (Form form :
       {Form{&set->h2, kAlpnH2}, Form{&set->upgrade, kAlpnUpgrade}, Form{&set->tcp, kAlpnTcp}}) {
    auto context = trust::make_client_context({.svid = svid,
                                               .bundle = bundle,
                                               .alpn = {std::string(form.alpn)},
                                               .root_spki_sha256 = {},
                                               .resume = true});
    if (!context) return std::unexpected(std::move(context.error()));
    *form.context = std::move(*context);
  }
  trust::TlsServerConfig server;
  server.svid = svid;
  server.bundle = bundle;
  server.alpn = {std::string(kAlpnH2), std::string(kAlpnUpgrade), std::string(kAlpnTcp)};
  server.accept_name = [instance](std::string_view name) {
    std::optional<HopName> wanted = parse_hop_server_name(name);
    return wanted && wanted->instance == instance;
  };
  server.resume = true;
  if (other) server.resume_with = other->server;
  auto context = trust::make_server_context(server);
  if (!context) return std::unexpected(std::move(context.error()));
  set->server = std::move(*context);
  return set;
}

}  // namespace weft::proxy
