// Order matters in join(): signing first checks the request, then the store spends the token, and
// only then the credential is handed out. So a damaged request costs no token, and no token works
// twice.
#include "control/join_service.h"

#include <fmt/format.h>

#include "trust/secret.h"
#include "xds/join_token.h"

namespace weft::control {
namespace {

constexpr size_t kSecretBytes = 32;
constexpr size_t kMachineNameBytes = 40;

// What a machine calls itself, as a part of a SPIFFE path.
std::string tidy(std::string_view name) {
  std::string out;
  for (char c : name.substr(0, kMachineNameBytes)) {
    bool fine = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    if (c >= 'A' && c <= 'Z') {
      out += static_cast<char>(c + 32);
    } else {
      out += fine ? c : '-';
    }
  }
  return out.empty() ? "machine" : out;
}

}  // namespace

JoinService::JoinService(Store& store, const CaService& ca, const Clock& clock, Random& random,
                         std::vector<SocketAddress> advertised, Duration machine_life)
    : store_(store),
      ca_(ca),
      clock_(clock),
      random_(random),
      advertised_(std::move(advertised)),
      machine_life_(machine_life) {}

Result<NewToken> JoinService::create_token(const TokenRequest& request) {
  if (advertised_.empty()) {
    return fail(ErrorKind::kUnavailable,
                "this host has no address that another machine could dial; start the server with "
                "--advertise ADDRESS");
  }
  if (!request.ns.empty() && !model::is_dns_label(request.ns)) {
    return fail(ErrorKind::kInvalid, fmt::format("namespace '{}' is no name", request.ns));
  }
  if (!request.service.empty() && !model::is_dns_label(request.service)) {
    return fail(ErrorKind::kInvalid, fmt::format("service '{}' is no name", request.service));
  }
  if (request.ttl <= Duration{} || request.ttl > kMaxTokenLife) {
    return fail(ErrorKind::kInvalid, "a token lives at least a moment and at most 7 days");
  }
  if (auto ok = drop_expired(); !ok) return std::unexpected(ok.error());
  auto secret = trust::random_secret(kSecretBytes);
  if (!secret) return std::unexpected(secret.error());
  TokenRow row;
  row.id = fmt::format("{:08x}", random_.below(1ull << 32));
  row.secret_sha256 = trust::sha256(*secret);
  row.ns = request.ns;
  row.service = request.service;
  row.created = clock_.wall_now();
  row.expires = row.created + request.ttl;
  if (auto ok = store_.add_token(row); !ok) return std::unexpected(ok.error());

  xds::JoinToken token{advertised_, ca_.authority().root_spki_sha256(), ca_.trust_domain(),
                       *secret};
  NewToken out;
  out.id = row.id;
  out.token = token.encode();
  out.expires = row.expires;
  out.join_line = fmt::format(
      "weft run --server {} --token {}{} --service {} -- COMMAND", advertised_.front().to_string(),
      out.token, request.ns.empty() ? "" : fmt::format(" --namespace {}", request.ns),
      request.service.empty() ? "NAME:PORT" : fmt::format("{}:PORT", request.service));
  return out;
}

// Tokens that can never be used any more would only pile up.
Result<void> JoinService::drop_expired() {
  auto rows = store_.tokens();
  if (!rows) return std::unexpected(rows.error());
  for (const auto& row : *rows) {
    if (!row.used_by.empty() || row.expires > clock_.wall_now()) continue;
    if (auto ok = store_.remove_token(row.id); !ok) return ok;
  }
  return {};
}

Result<Credential> JoinService::credential(const std::string& machine_id,
                                           std::string_view csr_der) const {
  auto id = model::SpiffeId::for_machine(ca_.trust_domain(), machine_id);
  if (!id) return std::unexpected(id.error());
  auto issued = ca_.authority().sign(csr_der, *id, clock_.wall_now(), machine_life_);
  if (!issued) return std::unexpected(issued.error());
  return Credential{std::move(issued->chain_der), ca_.authority().bundle().roots_der};
}

Result<Credential> JoinService::join(std::string_view secret_text, std::string_view machine_name,
                                     std::string_view csr_der) {
  auto secret = xds::base64url_decode(secret_text);
  if (!secret) return fail(ErrorKind::kUnauthenticated, "the join token is damaged");
  MachineRow machine;
  machine.name = std::string(machine_name.substr(0, 255));
  machine.id = fmt::format("{}-{:06x}", tidy(machine_name), random_.below(1u << 24));
  auto issued = credential(machine.id, csr_der);
  if (!issued) return issued;
  auto token = store_.join(trust::sha256(*secret), machine, clock_.wall_now());
  if (!token) return std::unexpected(std::move(token.error()));
  return issued;
}

Result<MachineRow> JoinService::machine(const std::string& machine_id) const {
  auto row = store_.machine(machine_id);
  if (!row) return std::unexpected(row.error());
  if (!*row || (*row)->revoked) {
    return fail(ErrorKind::kDenied,
                fmt::format("the machine {} has no place in this mesh any more; "
                            "join it again with a new token",
                            machine_id));
  }
  return **row;
}

Result<Credential> JoinService::renew(const std::string& machine_id, std::string_view csr_der) {
  if (auto known = machine(machine_id); !known) return std::unexpected(known.error());
  return credential(machine_id, csr_der);
}

}  // namespace weft::control
