// Six values in the store's table of single values, written together: a crash during the first
// start leaves either a whole trust domain or none.
#include "control/ca_service.h"

#include <fmt/format.h>

namespace weft::control {
namespace {

constexpr const char* kTrustDomain = "trust_domain";
constexpr const char* kUla = "ula_prefix";
constexpr const char* kRootCertificate = "ca_root_certificate";
constexpr const char* kRootKey = "ca_root_key";
constexpr const char* kIntermediateCertificate = "ca_intermediate_certificate";
constexpr const char* kIntermediateKey = "ca_intermediate_key";

std::map<std::string, std::string> to_meta(const trust::CaState& state) {
  return {{kTrustDomain, state.trust_domain},
          {kRootCertificate, state.root_certificate},
          {kRootKey, state.root_key},
          {kIntermediateCertificate, state.intermediate_certificate},
          {kIntermediateKey, state.intermediate_key}};
}

Result<std::string> required(Store& store, const char* key) {
  auto value = store.meta(key);
  if (!value) return std::unexpected(value.error());
  if (!*value)
    return fail(ErrorKind::kInvalid, fmt::format("the store lacks {}: it is damaged", key));
  return **value;
}

Result<trust::CaState> read_state(Store& store) {
  trust::CaState state;
  const std::pair<const char*, std::string*> parts[] = {
      {kTrustDomain, &state.trust_domain},
      {kRootCertificate, &state.root_certificate},
      {kRootKey, &state.root_key},
      {kIntermediateCertificate, &state.intermediate_certificate},
      {kIntermediateKey, &state.intermediate_key}};
  for (const auto& [key, into] : parts) {
    auto value = required(store, key);
    if (!value) return std::unexpected(value.error());
    *into = std::move(*value);
  }
  return state;
}

}  // namespace

Result<CaService> CaService::open(Store& store, Random& random, std::string trust_domain,
                                  WallTime now) {
  auto known = store.meta(kTrustDomain);
  if (!known) return std::unexpected(known.error());
  if (!*known) {
    if (trust_domain.empty()) trust_domain = kDefaultTrustDomain;
    auto made = trust::CertificateAuthority::create(trust_domain, now);
    if (!made) return std::unexpected(std::move(made.error()).context("making the trust domain"));
    AddressPool addresses = AddressPool::random(random);
    auto values = to_meta(made->state());
    values[kUla] = addresses.to_text();
    if (auto ok = store.set_meta(values); !ok) return std::unexpected(ok.error());
    return CaService(store, std::move(*made), addresses);
  }
  if (!trust_domain.empty() && trust_domain != **known) {
    return fail(
        ErrorKind::kConflict,
        fmt::format("this state directory belongs to the trust domain {}; --trust-domain {} "
                    "needs a state directory of its own (--state-dir)",
                    **known, trust_domain));
  }
  auto state = read_state(store);
  if (!state) return std::unexpected(state.error());
  auto authority = trust::CertificateAuthority::load(*state);
  if (!authority) {
    return std::unexpected(
        std::move(authority.error()).context("the stored certificate authority"));
  }
  auto ula = required(store, kUla);
  if (!ula) return std::unexpected(ula.error());
  auto addresses = AddressPool::parse(*ula);
  if (!addresses) return std::unexpected(addresses.error());
  CaService service(store, std::move(*authority), *addresses);
  if (auto ok = service.maintain(now); !ok) return std::unexpected(ok.error());
  return service;
}

Result<bool> CaService::maintain(WallTime now) {
  if (!authority_.intermediate_due(now)) return false;
  auto next = trust::CertificateAuthority::load(authority_.state());
  if (!next) return std::unexpected(next.error());
  if (auto ok = next->renew_intermediate(now); !ok) return std::unexpected(ok.error());
  if (auto ok = store_->set_meta(to_meta(next->state())); !ok) return std::unexpected(ok.error());
  authority_ = std::move(*next);
  return true;
}

}  // namespace weft::control
