// A TLS session between two buffers. OpenSSL pulls ciphertext from the bytes being received, without a
// copy of ours in between, and pushes records to output(); so one transport read may hold many records
// and one transport write carries many. OpenSSL itself keeps the unfinished record, so every receive()
// consumes all it is given. Measured: an established session holds about 27 KiB (22 of them OpenSSL's:
// its state and the parsed certificates of the peer), a handshake costs 1 ms of CPU on each side, a
// record of 1300 bytes 2 µs on each.
#include <openssl/err.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "base/assert.h"
#include "trust/tls_context.h"

namespace weft::trust {
namespace {

// The two ends the BIO moves bytes between.
struct Wire {
  std::string_view input;
  Buffer output;
};

int bio_write(BIO* bio, const char* data, int size) {
  if (size <= 0) return 0;
  static_cast<Wire*>(BIO_get_data(bio))->output.append({data, static_cast<size_t>(size)});
  return size;
}

int bio_read(BIO* bio, char* into, int size) {
  BIO_clear_retry_flags(bio);
  Wire& wire = *static_cast<Wire*>(BIO_get_data(bio));
  if (wire.input.empty()) {
    BIO_set_retry_read(bio);
    return -1;
  }
  const size_t taken = std::min(wire.input.size(), static_cast<size_t>(std::max(size, 0)));
  std::memcpy(into, wire.input.data(), taken);
  wire.input.remove_prefix(taken);
  return static_cast<int>(taken);
}

long bio_ctrl(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

int bio_create(BIO* bio) {
  BIO_set_init(bio, 1);
  return 1;
}

constexpr int kAlertReason = SSL_AD_REASON_OFFSET;

// Alerts by which a peer says that it does not accept who we are, or is not whom we asked for.
bool is_identity_alert(int alert) {
  switch (alert) {
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_REVOKED:
    case SSL_AD_CERTIFICATE_EXPIRED:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_UNKNOWN_CA:
    case SSL_AD_ACCESS_DENIED:
    case SSL_AD_CERTIFICATE_REQUIRED:
    case SSL_AD_UNRECOGNIZED_NAME: return true;
    default: return false;
  }
}

class Session final : public TlsSession, public TlsCallbacks {
 public:
  Session(TlsContextPtr context, std::string_view server_name, std::string_view expected_peer,
          WallTime wall_now);

  Result<void> receive(std::string_view ciphertext) override;
  Buffer& output() override { return wire_.output; }
  Buffer& plaintext() override { return plaintext_; }
  Result<void> send(std::string_view plaintext) override;
  Result<void> start() override;
  void close() override;
  bool established() const override { return established_; }
  bool peer_closed() const override { return peer_closed_; }
  const PeerIdentity& peer() const override { return peer_; }
  std::string alpn() const override;
  std::string server_name() const override;

  bool on_verify(X509_STORE_CTX* store) override;
  void on_refused(Error error) override { refused_ = std::move(error); }

 private:
  ErrorSource peer_source() const {
    return context_->server ? ErrorSource::kDownstream : ErrorSource::kUpstream;
  }
  Result<void> fail_with(Error error);
  Error openssl_error(std::string_view what);
  Result<void> check_ours();
  Result<void> handshake();
  Result<void> finish_handshake();
  Result<void> decrypt();
  void read_peer();

  TlsContextPtr context_;
  Wire wire_;
  Owned<SSL> ssl_;
  std::string server_name_;
  std::string expected_peer_;
  WallTime wall_now_;
  Buffer plaintext_;
  Buffer unsent_;  // what the application wrote before the handshake was done
  PeerIdentity peer_;
  std::optional<Error> error_;    // final
  std::optional<Error> refused_;  // set by a callback in the middle of the handshake
  bool established_ = false;
  bool peer_closed_ = false;
};

Session::Session(TlsContextPtr context, std::string_view server_name,
                 std::string_view expected_peer, WallTime wall_now)
    : context_(std::move(context)),
      server_name_(server_name),
      expected_peer_(expected_peer),
      wall_now_(wall_now) {
  ERR_clear_error();
  ssl_.reset(SSL_new(context_->ssl_context.get()));
  BIO* bio = BIO_new(context_->bio_method.get());
  WEFT_ASSERT(ssl_ && bio != nullptr);
  BIO_set_data(bio, &wire_);
  SSL_set_bio(ssl_.get(), bio, bio);  // owns it; both directions in one
  SSL_set_app_data(ssl_.get(), static_cast<TlsCallbacks*>(this));
  if (context_->server) {
    SSL_set_accept_state(ssl_.get());
  } else {
    SSL_set_connect_state(ssl_.get());
    // A name too long for TLS is refused by the server's absence of it.
    if (!server_name_.empty()) SSL_set_tlsext_host_name(ssl_.get(), server_name_.c_str());
  }
}

Result<void> Session::fail_with(Error error) {
  error_ = std::move(error);
  return std::unexpected(*error_);
}

Error Session::openssl_error(std::string_view what) {
  const int reason = ERR_GET_REASON(ERR_peek_last_error());
  const bool identity = reason >= kAlertReason && is_identity_alert(reason - kAlertReason);
  // Until a server has verified us it passes nothing on, so a refusal means nothing was processed.
  const bool untouched = !context_->server && (identity || !established_);
  return Error(identity ? ErrorKind::kUnauthenticated : ErrorKind::kProtocol,
               std::string(what) + ": " + openssl_reason(), peer_source(),
               untouched ? Retry::kYes : Retry::kNo);
}

Result<void> Session::check_ours() {
  if (!context_->svid) return {};
  const char* wrong = wall_now_ >= context_->svid->not_after()   ? "has expired"
                      : wall_now_ < context_->svid->not_before() ? "is not valid yet"
                                                                 : nullptr;
  if (wrong == nullptr) return {};
  return fail_with(Error(ErrorKind::kUnavailable, std::string("our own certificate ") + wrong));
}

Result<void> Session::start() {
  if (error_) return std::unexpected(*error_);
  if (context_->server || established_ || !SSL_in_before(ssl_.get())) return {};
  if (auto ours = check_ours(); !ours) return ours;
  return handshake();
}

Result<void> Session::receive(std::string_view ciphertext) {
  if (error_) return std::unexpected(*error_);
  if (peer_closed_) return {};  // nothing may follow close_notify
  wire_.input = ciphertext;
  Result<void> done;
  if (!established_) {
    if (context_->server && SSL_in_before(ssl_.get())) done = check_ours();
    if (done) done = handshake();
  }
  if (done && established_) done = decrypt();
  wire_.input = {};
  return done;
}

Result<void> Session::handshake() {
  ERR_clear_error();
  const int outcome = SSL_do_handshake(ssl_.get());
  if (outcome == 1) return finish_handshake();
  if (SSL_get_error(ssl_.get(), outcome) == SSL_ERROR_WANT_READ) return {};
  if (refused_) {
    ERR_clear_error();
    return fail_with(std::move(*refused_));
  }
  return fail_with(openssl_error("TLS handshake"));
}

Result<void> Session::finish_handshake() {
  // A client that offered protocols takes no silence for an answer.
  if (!context_->alpn_wire.empty() && alpn().empty()) {
    return fail_with(Error(ErrorKind::kProtocol, "TLS handshake: the peer chose no protocol (ALPN)",
                           peer_source(), context_->server ? Retry::kNo : Retry::kYes));
  }
  established_ = true;
  read_peer();
  if (unsent_.empty()) return {};
  const Buffer unsent = std::move(unsent_);
  return send(unsent.view());
}

void Session::read_peer() {
  X509* leaf = SSL_get0_peer_certificate(ssl_.get());
  if (leaf == nullptr) {  // anonymous; spiffe_id stays empty
    peer_.not_after = WallTime{INT64_MAX};
    return;
  }
  peer_.not_after = to_wall_time(X509_get0_notAfter(leaf));
  peer_.chain_der.push_back(certificate_der(leaf));
  STACK_OF(X509)* chain = SSL_get_peer_cert_chain(ssl_.get());
  // A client's view of the chain has the leaf in it, a server's has not.
  for (int i = context_->server ? 0 : 1; i < sk_X509_num(chain); ++i) {
    peer_.chain_der.push_back(certificate_der(sk_X509_value(chain, i)));
  }
}

bool Session::on_verify(X509_STORE_CTX* store) {
  auto id = verify_peer(store, *context_, expected_peer_, wall_now_);
  if (!id) {
    refused_ = std::move(id.error());
    return false;
  }
  peer_.spiffe_id = id->uri();
  return true;
}

Result<void> Session::decrypt() {
  constexpr size_t kMost = 64 * 1024;
  while (true) {
    // Room for all records at hand, so that the buffer does not grow with each.
    const size_t waiting =
        std::max(wire_.input.size(), static_cast<size_t>(SSL_pending(ssl_.get())));
    const auto room = plaintext_.prepare(std::clamp(waiting, size_t{512}, kMost));
    size_t size = 0;
    ERR_clear_error();
    const int outcome = SSL_read_ex(ssl_.get(), room.data(), room.size(), &size);
    if (outcome == 1) {
      plaintext_.commit(size);
      continue;
    }
    plaintext_.release_if_empty();
    switch (SSL_get_error(ssl_.get(), outcome)) {
      case SSL_ERROR_WANT_READ: return {};
      case SSL_ERROR_ZERO_RETURN: peer_closed_ = true; return {};
      default: return fail_with(openssl_error("TLS"));
    }
  }
}

Result<void> Session::send(std::string_view plaintext) {
  if (error_) return std::unexpected(*error_);
  if (plaintext.empty()) return {};
  if (!established_) {
    unsent_.append(plaintext);
    return {};
  }
  if (SSL_get_shutdown(ssl_.get()) & SSL_SENT_SHUTDOWN) {
    return fail(ErrorKind::kClosed, "TLS: write after close");
  }
  ERR_clear_error();
  size_t written = 0;
  // All records at once: head, tag and type of each are 22 bytes.
  wire_.output.prepare(plaintext.size() + 32 * (1 + plaintext.size() / (16 * 1024)));
  // The BIO never blocks, so all of it is written at once.
  if (SSL_write_ex(ssl_.get(), plaintext.data(), plaintext.size(), &written) != 1) {
    return fail_with(openssl_error("TLS"));
  }
  WEFT_ASSERT(written == plaintext.size());
  return {};
}

void Session::close() {
  if (!established_ || error_ || (SSL_get_shutdown(ssl_.get()) & SSL_SENT_SHUTDOWN) != 0) return;
  ERR_clear_error();
  SSL_shutdown(ssl_.get());  // 0 = ours is sent, the peer's has not come: as it should be
}

std::string Session::alpn() const {
  const unsigned char* name = nullptr;
  unsigned int size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &name, &size);
  return std::string(reinterpret_cast<const char*>(name), size);
}

std::string Session::server_name() const {
  if (!context_->server) return server_name_;
  const char* name = SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name);
  return name != nullptr ? name : "";
}

}  // namespace

Owned<BIO_METHOD> make_bio_method() {
  // No type number of its own: there are only 128 of those in a process, and every rotation of a
  // certificate makes a context.
  Owned<BIO_METHOD> method(BIO_meth_new(BIO_TYPE_SOURCE_SINK, "weft buffers"));
  if (!method || BIO_meth_set_write(method.get(), bio_write) != 1 ||
      BIO_meth_set_read(method.get(), bio_read) != 1 ||
      BIO_meth_set_ctrl(method.get(), bio_ctrl) != 1 ||
      BIO_meth_set_create(method.get(), bio_create) != 1) {
    return nullptr;
  }
  return method;
}

std::unique_ptr<TlsSession> make_server_session(const TlsContextPtr& context, WallTime wall_now) {
  WEFT_ASSERT(context->server);
  return std::make_unique<Session>(context, "", "", wall_now);
}

std::unique_ptr<TlsSession> make_client_session(const TlsContextPtr& context,
                                                std::string_view server_name,
                                                std::string_view expected_peer, WallTime wall_now) {
  WEFT_ASSERT(!context->server);
  return std::make_unique<Session>(context, server_name, expected_peer, wall_now);
}

}  // namespace weft::trust
