// One SSL_CTX per configuration, shared by its sessions. TLS 1.3 alone; no session tickets: they hold
// certificates, live by OpenSSL's clock and outlast a context. Where connections may be resumed it is
// by keys of tls_resume.h.
#include "trust/tls_context.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <utility>

#include "base/assert.h"

namespace weft::trust {
namespace {

constexpr const char* kCipherSuites =
    "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256";
constexpr const char* kGroups = "X25519:P-256";
constexpr const char* kSignatures = "ECDSA+SHA256";
constexpr long kMaxPeerChainBytes = 32 * 1024;

const TlsContext& context_of(void* argument) { return *static_cast<const TlsContext*>(argument); }

TlsCallbacks& session_of(const SSL* ssl) {
  auto* callbacks = static_cast<TlsCallbacks*>(SSL_get_app_data(ssl));
  WEFT_ASSERT(callbacks != nullptr);
  return *callbacks;
}

int verify_callback(X509_STORE_CTX* store, void*) {
  auto* ssl =
      static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  if (session_of(ssl).on_verify(store)) return 1;
  // The path may have been fine and the identity not: the alert must still be about the
  // certificate.
  if (X509_STORE_CTX_get_error(store) == X509_V_OK) {
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
  }
  return 0;
}

int name_callback(SSL* ssl, int* alert, void* argument) {
  const TlsContext& context = context_of(argument);
  const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  const std::string_view asked = name != nullptr ? name : "";
  if (!context.accept_name || context.accept_name(asked)) return SSL_TLSEXT_ERR_OK;
  session_of(ssl).on_refused(Error(ErrorKind::kNotFound,
                                   "this server does not answer to the name the peer asked for",
                                   ErrorSource::kDownstream));
  *alert = SSL_AD_UNRECOGNIZED_NAME;
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

int alpn_callback(SSL* ssl, const unsigned char** chosen, unsigned char* chosen_size,
                  const unsigned char* offered, unsigned int offered_size, void* argument) {
  const std::string& ours = context_of(argument).alpn_wire;
  unsigned char* found = nullptr;
  const int outcome = SSL_select_next_proto(
      &found, chosen_size, reinterpret_cast<const unsigned char*>(ours.data()),
      static_cast<unsigned int>(ours.size()), offered, offered_size);
  if (outcome == OPENSSL_NPN_NEGOTIATED) {
    *chosen = found;
    return SSL_TLSEXT_ERR_OK;
  }
  session_of(ssl).on_refused(Error(ErrorKind::kProtocol,
                                   "the peer offers no protocol (ALPN) of ours",
                                   ErrorSource::kDownstream));
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

// A client that offers no ALPN at all never reaches alpn_callback.
int hello_callback(SSL* ssl, int* alert, void* argument) {
  if (context_of(argument).alpn_wire.empty()) return SSL_CLIENT_HELLO_SUCCESS;
  const unsigned char* data = nullptr;
  size_t size = 0;
  constexpr unsigned int kAlpn = TLSEXT_TYPE_application_layer_protocol_negotiation;
  if (SSL_client_hello_get0_ext(ssl, kAlpn, &data, &size) == 1) return SSL_CLIENT_HELLO_SUCCESS;
  session_of(ssl).on_refused(
      Error(ErrorKind::kProtocol, "the peer offers no protocol (ALPN)", ErrorSource::kDownstream));
  *alert = SSL_AD_NO_APPLICATION_PROTOCOL;
  return SSL_CLIENT_HELLO_ERROR;
}

void keylog_callback(const SSL* ssl, const char* line) {
  // LABEL <client random> <secret>
  const std::string_view text(line);
  const size_t label_end = text.find(' ');
  const size_t secret = text.rfind(' ');
  if (label_end == std::string_view::npos || secret == label_end) return;
  session_of(ssl).on_secret(text.substr(0, label_end), text.substr(secret + 1));
}

int use_key_callback(SSL* ssl, const EVP_MD* hash, const unsigned char** name, size_t* name_size,
                     SSL_SESSION** session) {
  *session = nullptr;
  const ResumptionKey* key = session_of(ssl).key_to_offer();
  if (key == nullptr) return 1;
  // After a HelloRetryRequest only keys for the hash chosen by then may be offered.
  if (hash != nullptr &&
      EVP_MD_get_type(hash) != EVP_MD_get_type(SSL_CIPHER_get_handshake_digest(key->cipher))) {
    return 1;
  }
  *session = openssl_session(*key).release();  // OpenSSL's from here
  *name = reinterpret_cast<const unsigned char*>(key->name.data());
  *name_size = key->name.size();
  return 1;
}

int find_key_callback(SSL* ssl, const unsigned char* name, size_t name_size,
                      SSL_SESSION** session) {
  const ResumptionKey* key =
      session_of(ssl).key_offered({reinterpret_cast<const char*>(name), name_size});
  *session = key != nullptr ? openssl_session(*key).release() : nullptr;
  return 1;  // without a key the handshake is a full one
}

void use_resumption(TlsContext& context, std::shared_ptr<ResumptionCache> cache) {
  context.resumption = std::move(cache);
  SSL_CTX* ssl = context.ssl_context.get();
  if (context.server) {
    // OpenSSL resumes nothing where this is not set; what keeps contexts apart is that each has its cache.
    static constexpr unsigned char kName[] = {'w', 'e', 'f', 't'};
    SSL_CTX_set_session_id_context(ssl, kName, sizeof kName);
    SSL_CTX_set_psk_find_session_callback(ssl, find_key_callback);
  } else {
    SSL_CTX_set_psk_use_session_callback(ssl, use_key_callback);
  }
}

Result<std::string> alpn_to_wire(const std::vector<std::string>& names) {
  std::string wire;
  for (const std::string& name : names) {
    if (name.empty() || name.size() > 255) {
      return fail(ErrorKind::kInvalid, "an ALPN name has 1 to 255 bytes");
    }
    wire += static_cast<char>(name.size());
    wire += name;
  }
  return wire;
}

Result<void> use_protocols(SSL_CTX* ssl) {
  SSL_CTX_set_security_level(ssl, 2);
  SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
  // Who connects and then says nothing holds no record buffers.
  SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_max_cert_list(ssl, kMaxPeerChainBytes);
  if (SSL_CTX_set_min_proto_version(ssl, TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_max_proto_version(ssl, TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_ciphersuites(ssl, kCipherSuites) != 1 ||
      SSL_CTX_set1_groups_list(ssl, kGroups) != 1 ||
      SSL_CTX_set1_sigalgs_list(ssl, kSignatures) != 1 || SSL_CTX_set_num_tickets(ssl, 0) != 1) {
    return openssl_failure("setting up TLS 1.3");
  }
  return {};
}

Result<void> use_credential(SSL_CTX* ssl, const Svid& svid) {
  const Svid::Impl& impl = svid.impl();
  if (SSL_CTX_use_certificate(ssl, impl.chain.front().get()) != 1 ||
      SSL_CTX_use_PrivateKey(ssl, impl.key.impl()->key.get()) != 1) {
    return openssl_failure("using a credential");
  }
  for (size_t i = 1; i < impl.chain.size(); ++i) {
    if (SSL_CTX_add1_chain_cert(ssl, impl.chain[i].get()) != 1) {
      return openssl_failure("using a certificate chain");
    }
  }
  return {};
}

Result<void> trust_roots(SSL_CTX* ssl, const TrustBundle& bundle, bool send_roots) {
  X509_STORE* store = SSL_CTX_get_cert_store(ssl);
  for (const std::string& der : bundle.roots_der) {
    auto root = parse_certificate(der);
    if (!root) return std::unexpected(std::move(root.error()).context("trust bundle"));
    if (X509_STORE_add_cert(store, root->get()) != 1) return openssl_failure("trusting a root");
    if (send_roots && SSL_CTX_add1_chain_cert(ssl, root->get()) != 1) {
      return openssl_failure("sending a root");
    }
  }
  return {};
}

}  // namespace

Result<std::shared_ptr<TlsContext>> make_context(bool server,
                                                 const std::shared_ptr<const Svid>& svid,
                                                 const TrustBundle& bundle,
                                                 const std::vector<std::string>& alpn,
                                                 bool send_roots) {
  ERR_clear_error();
  auto context = std::make_shared<TlsContext>();
  context->server = server;
  context->svid = svid;
  context->trust_domain = bundle.trust_domain;
  context->ssl_context.reset(SSL_CTX_new(server ? TLS_server_method() : TLS_client_method()));
  context->bio_method = make_bio_method();
  if (!context->ssl_context || !context->bio_method) return openssl_failure("TLS context");
  auto wire = alpn_to_wire(alpn);
  if (!wire) return std::unexpected(std::move(wire.error()));
  context->alpn_wire = std::move(*wire);

  SSL_CTX* ssl = context->ssl_context.get();
  if (auto done = use_protocols(ssl); !done) return std::unexpected(std::move(done.error()));
  if (svid) {
    if (auto done = use_credential(ssl, *svid); !done) {
      return std::unexpected(std::move(done.error()));
    }
  }
  if (auto done = trust_roots(ssl, bundle, send_roots); !done) {
    return std::unexpected(std::move(done.error()));
  }
  SSL_CTX_set_cert_verify_callback(ssl, verify_callback, nullptr);
  SSL_CTX_set_keylog_callback(ssl, keylog_callback);
  return context;
}

void choose_alpn(TlsContext& context) {
  if (context.alpn_wire.empty()) return;
  SSL_CTX_set_alpn_select_cb(context.ssl_context.get(), alpn_callback, &context);
}

Result<TlsContextPtr> make_server_context(const TlsServerConfig& config) {
  if (!config.svid) return fail(ErrorKind::kInvalid, "a TLS server needs a credential");
  if (config.bundle.roots_der.empty()) return fail(ErrorKind::kInvalid, "a TLS server needs roots");
  // A machine that joins knows only the root's pin: it must be sent the root itself.
  const bool joining = config.client_auth == ClientAuth::kOptionalClient;
  auto context = make_context(true, config.svid, config.bundle, config.alpn, joining);
  if (!context) return std::unexpected(std::move(context.error()));
  (*context)->accept_name = config.accept_name;

  SSL_CTX* ssl = (*context)->ssl_context.get();
  SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER | (joining ? 0 : SSL_VERIFY_FAIL_IF_NO_PEER_CERT),
                     nullptr);
  SSL_CTX_set_client_hello_cb(ssl, hello_callback, context->get());
  SSL_CTX_set_tlsext_servername_callback(ssl, name_callback);
  SSL_CTX_set_tlsext_servername_arg(ssl, context->get());
  choose_alpn(**context);
  if (config.resume && !joining) {
    const bool shared = config.resume_with && config.resume_with->resumption;
    WEFT_ASSERT(!shared || config.resume_with->svid == config.svid);
    use_resumption(**context,
                   shared ? config.resume_with->resumption : std::make_shared<ResumptionCache>());
  }
  return TlsContextPtr(std::move(*context));
}

Result<TlsContextPtr> make_client_context(const TlsClientConfig& config) {
  const bool pinned = !config.root_spki_sha256.empty();
  if (pinned && config.root_spki_sha256.size() != 64) {
    return fail(ErrorKind::kInvalid, "a root pin is 64 hexadecimal digits");
  }
  if (pinned != config.bundle.roots_der.empty()) {
    return fail(ErrorKind::kInvalid, "a TLS client needs either roots or a root pin");
  }
  auto context = make_context(false, config.svid, config.bundle, config.alpn, false);
  if (!context) return std::unexpected(std::move(context.error()));
  (*context)->root_spki_sha256 = config.root_spki_sha256;

  SSL_CTX* ssl = (*context)->ssl_context.get();
  SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, nullptr);
  const std::string& alpn = (*context)->alpn_wire;
  // This one function of OpenSSL returns 0 for success.
  if (!alpn.empty() &&
      SSL_CTX_set_alpn_protos(ssl, reinterpret_cast<const unsigned char*>(alpn.data()),
                              static_cast<unsigned int>(alpn.size())) != 0) {
    return openssl_failure("offering protocols");
  }
  if (config.resume && config.svid && !pinned) {
    use_resumption(**context, std::make_shared<ResumptionCache>());
  }
  return TlsContextPtr(std::move(*context));
}

WallTime expires_at(const TlsContext& context) {
  // An anonymous client never expires: the last moment there is.
  return context.svid ? context.svid->not_after() : WallTime{INT64_MAX};
}

}  // namespace weft::trust
