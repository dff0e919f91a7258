// Who is at the other end. OpenSSL builds and checks the path (RFC 5280) at the time we say; the
// SPIFFE rules around it are ours: the leaf's trust domain selects what is trusted, the identity
// must be the one expected, a pinned root stands in for a bundle while joining.
#include <openssl/err.h>

#include <string>

#include "trust/tls_context.h"

namespace weft::trust {
namespace {

constexpr int kMaxIntermediates = 4;

std::unexpected<Error> unauthenticated(const TlsContext& context, std::string why) {
  // A server that is not who it must be saw nothing of the request: another may be asked.
  return context.server
             ? fail(ErrorKind::kUnauthenticated, std::move(why), ErrorSource::kDownstream)
             : fail(ErrorKind::kUnauthenticated, std::move(why), ErrorSource::kUpstream,
                    Retry::kYes);
}

// The certificate of the pinned root among what the peer sent, or null. Not owned.
X509* find_pinned(X509_STORE_CTX* store, std::string_view pin) {
  STACK_OF(X509)* sent = X509_STORE_CTX_get0_untrusted(store);
  for (int i = 0; i < sk_X509_num(sent); ++i) {
    X509* certificate = sk_X509_value(sent, i);
    if (spki_sha256(certificate) == pin) return certificate;
  }
  return nullptr;
}

struct StackFree {
  void operator()(STACK_OF(X509) * p) const { sk_X509_free(p); }  // elements are borrowed
};

Result<void> check_path(X509_STORE_CTX* store, const TlsContext& context, X509* pinned,
                        WallTime now) {
  X509_VERIFY_PARAM* param = X509_STORE_CTX_get0_param(store);
  X509_VERIFY_PARAM_set_time(param, now.unix_seconds());
  X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT);
  X509_VERIFY_PARAM_set_depth(param, kMaxIntermediates);
  std::unique_ptr<STACK_OF(X509), StackFree> roots;
  if (pinned != nullptr) {
    roots.reset(sk_X509_new_null());
    if (!roots || sk_X509_push(roots.get(), pinned) == 0) return openssl_failure("pinning a root");
    X509_STORE_CTX_set0_trusted_stack(store, roots.get());
  }
  ERR_clear_error();
  const bool good = X509_verify_cert(store) == 1;
  ERR_clear_error();
  if (good) return {};
  const int reason = X509_STORE_CTX_get_error(store);
  return unauthenticated(context, std::string("the peer's certificate was refused: ") +
                                      X509_verify_cert_error_string(reason) + " (depth " +
                                      std::to_string(X509_STORE_CTX_get_error_depth(store)) + ")");
}

// Intermediates that name a trust domain must name the leaf's.
bool one_domain(X509_STORE_CTX* store, std::string_view trust_domain) {
  STACK_OF(X509)* chain = X509_STORE_CTX_get0_chain(store);
  for (int i = 1; i < sk_X509_num(chain); ++i) {
    X509* certificate = sk_X509_value(chain, i);
    if (X509_get_ext_by_NID(certificate, NID_subject_alt_name, -1) < 0) continue;
    const auto id = uri_san(certificate);
    if (!id || id->trust_domain() != trust_domain) return false;
  }
  return true;
}

}  // namespace

Result<model::SpiffeId> verify_peer(X509_STORE_CTX* store, const TlsContext& context,
                                    std::string_view expected_peer, WallTime now) {
  auto id = check_svid_leaf(X509_STORE_CTX_get0_cert(store));
  if (!id) return unauthenticated(context, "the peer's " + id.error().message());
  if (!expected_peer.empty() && id->uri() != expected_peer) {
    return unauthenticated(context, "the peer is " + id->uri() + " where " +
                                        std::string(expected_peer) + " was expected");
  }
  X509* pinned = nullptr;
  if (!context.root_spki_sha256.empty()) {
    pinned = find_pinned(store, context.root_spki_sha256);
    if (pinned == nullptr) {
      return unauthenticated(context,
                             "the peer's root certificate is not the one pinned by the join token; "
                             "this is another mesh, or someone in between");
    }
    // Every workload has a certificate under this root; only the control plane may take a token.
    if (!id->is_server()) {
      return unauthenticated(context, "the peer is " + id->uri() + ", not a control plane");
    }
  } else if (id->trust_domain() != context.trust_domain) {
    return unauthenticated(context, "the peer " + id->uri() + " is of another trust domain than " +
                                        context.trust_domain);
  }
  if (auto path = check_path(store, context, pinned, now); !path) {
    return std::unexpected(std::move(path.error()));
  }
  if (!one_domain(store, id->trust_domain())) {
    return unauthenticated(context, "the chain of " + id->uri() + " mixes trust domains");
  }
  return id;
}

}  // namespace weft::trust
