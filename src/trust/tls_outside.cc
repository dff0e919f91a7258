// What servers outside speak is not ours to choose: TLS 1.2, session tickets, messages after the handshake. So OpenSSL
// keeps the connection here, where between sidecars our own record layer does (tls_records.h). Costs some 30 KiB a
// connection. Nothing is sent before the certificate was verified: all of it happens within the handshake.
#include "trust/tls_outside.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "base/assert.h"
#include "trust/tls_context.h"
#include "trust/tls_records.h"

namespace weft::trust {
namespace {

constexpr size_t kMostAuthorities = 256;
constexpr size_t kMostOfChain = 16;
constexpr long kMostPeerChainBytes = 100 * 1024;
constexpr const char* kCiphers12 =
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256:"
    "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

int no_password(char*, int, int, void*) { return -1; }

bool has_uri(X509* leaf, const std::string& wanted) {
  Owned<GENERAL_NAMES> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(leaf, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_URI) continue;
    const ASN1_IA5STRING* uri = name->d.uniformResourceIdentifier;
    const std::string_view text(reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri)),
                                static_cast<size_t>(ASN1_STRING_length(uri)));
    if (text == wanted) return true;
  }
  return false;
}

bool has_name(X509* leaf, const OutsideName& name) {
  if (name.uri) return has_uri(leaf, name.value);
  constexpr unsigned kFlags =
      X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;
  return X509_check_host(leaf, name.value.data(), name.value.size(), kFlags, nullptr) == 1;
}

std::string said(const std::vector<OutsideName>& names) {
  std::string out;
  for (const OutsideName& name : names) out += (out.empty() ? "" : " or ") + name.value;
  return out;
}

Error unauthenticated(std::string why) {
  return Error(ErrorKind::kUnauthenticated, std::move(why), ErrorSource::kUpstream, Retry::kYes);
}

class OutsideSession final : public TlsSession, public TlsCallbacks {
 public:
  OutsideSession(TlsContextPtr context, std::string_view server_name, std::string_view server,
                 WallTime wall_now);

  Result<void> receive(Buffer& ciphertext) override;
  Buffer& output() override { return wire_.output; }
  Buffer& plaintext() override { return plaintext_; }
  Result<void> send(std::string_view plaintext) override;
  Result<void> start() override;
  void close() override;
  bool established() const override { return established_; }
  bool peer_closed() const override { return peer_closed_; }
  const PeerIdentity& peer() const override { return peer_; }
  bool resumed() const override { return resumed_; }
  std::string alpn() const override { return alpn_; }
  std::string server_name() const override { return server_name_; }

  bool on_verify(X509_STORE_CTX* store) override;
  void on_refused(Error error) override { refused_ = std::move(error); }
  void on_secret(std::string_view, std::string_view) override {}
  const ResumptionKey* key_to_offer() override { return nullptr; }
  const ResumptionKey* key_offered(std::string_view) override { return nullptr; }
  void keep(SSL_SESSION* session) {
    context_->outside_sessions->keep(kept_under_, session, resumable_until_);
  }

 private:
  Result<void> fail_with(Error error);
  Result<void> handshake();
  void shaken();
  Result<void> read_records();
  Result<void> seal(std::string_view plaintext);

  TlsContextPtr context_;
  TlsWire wire_;
  Owned<SSL> ssl_;
  std::string server_name_;
  const std::string kept_under_;  // in the context's sessions
  WallTime wall_now_;
  WallTime resumable_until_;
  Buffer plaintext_;
  Buffer unsent_;
  PeerIdentity peer_;
  std::optional<Error> error_, refused_;
  std::string alpn_;
  bool established_ = false;
  bool offered_ = false, resumed_ = false;
  bool peer_closed_ = false;
  bool closed_ = false;
};

OutsideSession::OutsideSession(TlsContextPtr context, std::string_view server_name,
                               std::string_view server, WallTime wall_now)
    : context_(std::move(context)),
      server_name_(server_name),
      kept_under_(std::string(server_name) + " " + std::string(server)),
      wall_now_(wall_now) {
  ERR_clear_error();
  ssl_.reset(SSL_new(context_->ssl_context.get()));
  BIO* bio = BIO_new(context_->bio_method.get());
  WEFT_ASSERT(ssl_ && bio != nullptr);
  BIO_set_data(bio, &wire_);
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_app_data(ssl_.get(), static_cast<TlsCallbacks*>(this));
  SSL_set_connect_state(ssl_.get());
  if (!server_name_.empty()) SSL_set_tlsext_host_name(ssl_.get(), server_name_.c_str());
  const OutsideSessions::Kept kept = context_->outside_sessions->take(kept_under_, wall_now);
  offered_ = kept.session && SSL_set_session(ssl_.get(), kept.session.get()) == 1;
  if (offered_) resumable_until_ = kept.ends;
}

Result<void> OutsideSession::fail_with(Error error) {
  ERR_clear_error();
  if (offered_ && !established_) {
    context_->outside_sessions->give_up(kept_under_);
  } else {
    context_->outside_sessions->forget(kept_under_);
  }
  error_ = std::move(error);
  return std::unexpected(*error_);
}

bool OutsideSession::on_verify(X509_STORE_CTX* store) {
  X509_VERIFY_PARAM_set_time(X509_STORE_CTX_get0_param(store), wall_now_.unix_seconds());
  ERR_clear_error();
  const bool good = X509_verify_cert(store) == 1;
  ERR_clear_error();
  if (!good) {
    const int reason = X509_STORE_CTX_get_error(store);
    refused_ = unauthenticated(std::string("the server's certificate was refused: ") +
                               X509_verify_cert_error_string(reason));
    return false;
  }
  X509* leaf = X509_STORE_CTX_get0_cert(store);
  const std::vector<OutsideName>& names = context_->outside_names;
  if (std::ranges::any_of(names, [&](const OutsideName& name) { return has_name(leaf, name); })) {
    return true;
  }
  X509_STORE_CTX_set_error(store, X509_V_ERR_HOSTNAME_MISMATCH);
  refused_ = unauthenticated("the server's certificate is not for " + said(names));
  return false;
}

Result<void> OutsideSession::start() {
  if (error_) return std::unexpected(*error_);
  if (established_ || !SSL_in_before(ssl_.get())) return {};
  return handshake();
}

Result<void> OutsideSession::handshake() {
  ERR_clear_error();
  const int outcome = SSL_do_handshake(ssl_.get());
  if (outcome == 1) {
    shaken();
    if (unsent_.empty()) return {};
    const Buffer unsent = std::move(unsent_);
    return seal(unsent.view());
  }
  if (SSL_get_error(ssl_.get(), outcome) == SSL_ERROR_WANT_READ) return {};
  if (refused_) return fail_with(std::move(*refused_));
  return fail_with(Error(ErrorKind::kProtocol, "TLS handshake: " + openssl_reason(),
                         ErrorSource::kUpstream, Retry::kYes));
}

void OutsideSession::shaken() {
  const unsigned char* protocol = nullptr;
  unsigned int size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &protocol, &size);
  alpn_.assign(reinterpret_cast<const char*>(protocol), size);
  const X509* leaf = SSL_get0_peer_certificate(ssl_.get());  // a session holds it, too
  peer_.not_after = leaf != nullptr ? to_wall_time(X509_get0_notAfter(leaf)) : WallTime{INT64_MAX};
  established_ = true;
  resumed_ = SSL_session_reused(ssl_.get()) == 1;
  if (!resumed_)
    resumable_until_ = std::min(peer_.not_after, wall_now_ + OutsideSessions::kMostAge);
  // Tickets of TLS 1.3 come later (keep_ticket), a session of TLS 1.2 is whole now.
  if (SSL_version(ssl_.get()) < TLS1_3_VERSION && SSL_get_extms_support(ssl_.get()) == 1)
    keep(SSL_get_session(ssl_.get()));
}

Result<void> OutsideSession::receive(Buffer& ciphertext) {
  if (error_) return std::unexpected(*error_);
  wire_.input = ciphertext.view();
  Result<void> done;
  if (!established_) done = handshake();
  if (done && established_) done = read_records();
  // OpenSSL takes what is there as far as it goes; what it has not taken comes again.
  ciphertext.consume(ciphertext.size() - std::exchange(wire_.input, {}).size());
  return done;
}

Result<void> OutsideSession::read_records() {
  char room[16 * 1024];
  while (!peer_closed_) {
    ERR_clear_error();
    size_t size = 0;
    const int outcome = SSL_read_ex(ssl_.get(), room, sizeof room, &size);
    if (outcome == 1) {
      plaintext_.append({room, size});
      continue;
    }
    switch (SSL_get_error(ssl_.get(), outcome)) {
      case SSL_ERROR_WANT_READ: return {};
      case SSL_ERROR_ZERO_RETURN: peer_closed_ = true; return {};
      default: {
        // A server of TLS 1.3 that does not accept our certificate says so here.
        const int reason = ERR_GET_REASON(ERR_peek_last_error());
        const bool identity =
            reason >= SSL_AD_REASON_OFFSET && is_identity_alert(reason - SSL_AD_REASON_OFFSET);
        return fail_with(Error(identity ? ErrorKind::kUnauthenticated : ErrorKind::kProtocol,
                               "TLS: " + openssl_reason(), ErrorSource::kUpstream));
      }
    }
  }
  return {};
}

Result<void> OutsideSession::seal(std::string_view plaintext) {
  ERR_clear_error();
  size_t written = 0;
  // The buffers take everything, and nobody renegotiates: a write never waits.
  if (SSL_write_ex(ssl_.get(), plaintext.data(), plaintext.size(), &written) == 1) return {};
  return fail_with(Error(ErrorKind::kProtocol, "TLS: " + openssl_reason(), ErrorSource::kUpstream));
}

Result<void> OutsideSession::send(std::string_view plaintext) {
  if (error_) return std::unexpected(*error_);
  if (plaintext.empty()) return {};
  if (closed_) return fail(ErrorKind::kClosed, "TLS: write after close");
  if (established_) return seal(plaintext);
  unsent_.append(plaintext);
  return {};
}

void OutsideSession::close() {
  if (!established_ || error_ || std::exchange(closed_, true)) return;
  ERR_clear_error();
  SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

int verify_callback(X509_STORE_CTX* store, void*) {
  auto* ssl =
      static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto* session = static_cast<TlsCallbacks*>(SSL_get_app_data(ssl));
  WEFT_ASSERT(session != nullptr);
  return session->on_verify(store) ? 1 : 0;
}

// A ticket has come.
int keep_ticket(SSL* ssl, SSL_SESSION* session) {
  auto* owner = static_cast<OutsideSession*>(static_cast<TlsCallbacks*>(SSL_get_app_data(ssl)));
  if (SSL_version(ssl) >= TLS1_3_VERSION) owner->keep(session);
  return 0;  // the session stays OpenSSL's
}

Result<void> use_protocols(SSL_CTX* ssl) {
  SSL_CTX_set_security_level(ssl, 2);
  SSL_CTX_set_options(ssl, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(ssl, keep_ticket);
  SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_max_cert_list(ssl, kMostPeerChainBytes);
  if (SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) != 1 ||
      SSL_CTX_set_cipher_list(ssl, kCiphers12) != 1) {
    return openssl_failure("setting up TLS");
  }
  return {};
}

Result<void> use_authorities(SSL_CTX* ssl, const std::string& pem) {
  if (pem.empty()) {
    if (SSL_CTX_set_default_verify_paths(ssl) == 1) return {};
    return fail(ErrorKind::kNotFound, "this host's authorities: " + openssl_reason());
  }
  auto authorities = read_certificates_pem(pem, kMostAuthorities);
  if (!authorities) return std::unexpected(std::move(authorities.error()).context("authorities"));
  X509_STORE* store = SSL_CTX_get_cert_store(ssl);
  for (const Owned<X509>& one : *authorities) {
    if (X509_STORE_add_cert(store, one.get()) != 1) return openssl_failure("trusting an authority");
  }
  // An authority that is named is trusted, whether or not it signed itself.
  X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
  return {};
}

Result<void> use_certificate(SSL_CTX* ssl, const OutsideClientConfig& config) {
  if (config.chain_pem.empty()) return {};
  auto chain = read_certificates_pem(config.chain_pem, kMostOfChain);
  if (!chain) return std::unexpected(std::move(chain.error()).context("our certificate"));
  Owned<BIO> bio(BIO_new_mem_buf(config.key_pem.data(), static_cast<int>(config.key_pem.size())));
  Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr));
  if (!key || SSL_CTX_use_certificate(ssl, chain->front().get()) != 1 ||
      SSL_CTX_use_PrivateKey(ssl, key.get()) != 1) {
    return fail(ErrorKind::kInvalid, "our certificate: " + openssl_reason());
  }
  for (size_t i = 1; i < chain->size(); ++i) {
    if (SSL_CTX_add1_chain_cert(ssl, (*chain)[i].get()) != 1) return openssl_failure("our chain");
  }
  return {};
}

Result<void> offer(SSL_CTX* ssl, const std::vector<std::string>& alpn) {
  if (alpn.empty()) return {};
  std::string wire;
  for (const std::string& name : alpn) {
    wire += static_cast<char>(name.size());
    wire += name;
  }
  // This one function of OpenSSL returns 0 for success.
  if (SSL_CTX_set_alpn_protos(ssl, reinterpret_cast<const unsigned char*>(wire.data()),
                              static_cast<unsigned int>(wire.size())) != 0) {
    return openssl_failure("offering protocols");
  }
  return {};
}

}  // namespace

Result<TlsContextPtr> make_outside_client_context(const OutsideClientConfig& config) {
  ERR_clear_error();
  if (config.names.empty())
    return fail(ErrorKind::kInvalid, "a server needs a name to be verified");
  auto context = std::make_shared<TlsContext>();
  context->ssl_context.reset(SSL_CTX_new(TLS_client_method()));
  context->bio_method = make_bio_method();
  if (!context->ssl_context || !context->bio_method) return openssl_failure("TLS context");
  context->outside_names = config.names;
  context->outside_sessions = std::make_shared<OutsideSessions>();
  SSL_CTX* ssl = context->ssl_context.get();
  if (auto done = use_protocols(ssl); !done) return std::unexpected(std::move(done.error()));
  if (auto done = use_authorities(ssl, config.authorities_pem); !done)
    return std::unexpected(std::move(done.error()));
  if (auto done = use_certificate(ssl, config); !done)
    return std::unexpected(std::move(done.error()));
  if (auto done = offer(ssl, config.alpn); !done) return std::unexpected(std::move(done.error()));
  SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_cert_verify_callback(ssl, verify_callback, nullptr);
  return TlsContextPtr(std::move(context));
}

std::unique_ptr<TlsSession> make_outside_session(const TlsContextPtr& context,
                                                 std::string_view server_name,
                                                 std::string_view server, WallTime wall_now) {
  return std::make_unique<OutsideSession>(context, server_name, server, wall_now);
}

}  // namespace weft::trust
