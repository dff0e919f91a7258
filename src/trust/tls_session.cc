// A TLS session between two buffers. OpenSSL shakes hands: it pulls ciphertext from the bytes received
// and pushes its messages to output(); then its state goes, and the record layer of ours carries the
// connection. Measured: an established session holds about 4 KiB; a full handshake costs 1 ms of CPU
// on each side, a resumed one a third.
#include <openssl/err.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "base/assert.h"
#include "trust/tls_context.h"
#include "trust/tls_records.h"

namespace weft::trust {
namespace {

int bio_write(BIO* bio, const char* data, int size) {
  if (size <= 0) return 0;
  static_cast<TlsWire*>(BIO_get_data(bio))->output.append({data, static_cast<size_t>(size)});
  return size;
}

int bio_read(BIO* bio, char* into, int size) {
  BIO_clear_retry_flags(bio);
  TlsWire& wire = *static_cast<TlsWire*>(BIO_get_data(bio));
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

class Session final : public TlsSession, public TlsCallbacks {
 public:
  Session(TlsContextPtr context, std::string_view server_name, std::string_view expected_peer,
          WallTime wall_now);

  Result<void> receive(Buffer& ciphertext) override;
  Buffer& output() override { return wire_.output; }
  Buffer& plaintext() override { return plaintext_; }
  Result<void> send(std::string_view plaintext) override;
  Result<void> start() override;
  void close() override;
  bool established() const override { return established_; }
  bool peer_closed() const override { return records_ && records_->peer_closed(); }
  const PeerIdentity& peer() const override { return peer_; }
  bool resumed() const override { return resumed_; }
  std::string alpn() const override { return alpn_; }
  std::string server_name() const override { return server_name_; }

  bool on_verify(X509_STORE_CTX* store) override;
  bool on_public_client(X509_STORE_CTX* store);
  void on_refused(Error error) override { refused_ = std::move(error); }
  void on_secret(std::string_view label, std::string_view hex) override;
  const ResumptionKey* key_to_offer() override;
  const ResumptionKey* key_offered(std::string_view name) override;

 private:
  ErrorSource peer_source() const {
    return context_->server ? ErrorSource::kDownstream : ErrorSource::kUpstream;
  }
  Result<void> fail_with(Error error);
  Error openssl_error(std::string_view what);
  Result<void> check_ours();
  Result<void> handshake();
  Result<void> finish_handshake();
  Result<void> start_records();
  void read_names();
  void read_peer();
  // Under which a client keeps its key; nothing where it may keep none.
  std::string resumption_peer() const;
  void keep_for_later();

  TlsContextPtr context_;
  TlsWire wire_;
  Owned<SSL> ssl_;
  std::string server_name_;
  std::string expected_peer_;
  WallTime wall_now_;
  Buffer plaintext_;
  Buffer unsent_;  // what the application wrote before the handshake was done
  PeerIdentity peer_;
  std::optional<Error> error_;    // final
  std::optional<Error> refused_;  // set by a callback in the middle of the handshake
  ResumptionKeyPtr key_;          // offered to or by the peer
  std::string alpn_;
  bool established_ = false;
  bool resumed_ = false;
  // Application traffic secrets, until the record layer has them.
  struct Secrets {
    TrafficSecret client, server;
  };
  std::unique_ptr<Secrets> secrets_;
  std::unique_ptr<RecordLayer> records_;  // once established
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

Result<void> Session::receive(Buffer& ciphertext) {
  if (error_) return std::unexpected(*error_);
  if (!established_) {
    if (context_->server && SSL_in_before(ssl_.get())) {
      if (auto ours = check_ours(); !ours) return ours;
    }
    wire_.input = ciphertext.view();
    auto done = handshake();
    ciphertext.consume(ciphertext.size() - std::exchange(wire_.input, {}).size());
    if (!done || !established_) return done;
  }
  auto done = records_->receive(ciphertext, plaintext_, wire_.output);
  if (!done) return fail_with(std::move(done.error()));
  return {};
}

Result<void> Session::handshake() {
  ERR_clear_error();
  const size_t written = wire_.output.size();
  const int outcome = SSL_do_handshake(ssl_.get());
  if (outcome == 1) {
    // A server's last step is to read, and it sends no tickets: no record has used the new keys.
    WEFT_ASSERT(!context_->server || wire_.output.size() == written);
    return finish_handshake();
  }
  if (SSL_get_error(ssl_.get(), outcome) == SSL_ERROR_WANT_READ) return {};
  // Whatever it was: the next handshake is a full one.
  if (key_ && !context_->server) context_->resumption->forget(resumption_peer());
  if (refused_) {
    ERR_clear_error();
    return fail_with(std::move(*refused_));
  }
  return fail_with(openssl_error("TLS handshake"));
}

Result<void> Session::finish_handshake() {
  read_names();
  // A client that offered protocols takes no silence for an answer.
  if (!context_->alpn_wire.empty() && alpn_.empty() && !context_->alpn_optional) {
    return fail_with(Error(ErrorKind::kProtocol, "TLS handshake: the peer chose no protocol (ALPN)",
                           peer_source(), context_->server ? Retry::kNo : Retry::kYes));
  }
  if (auto started = start_records(); !started) return started;
  resumed_ = SSL_session_reused(ssl_.get()) == 1;
  if (resumed_) {
    WEFT_ASSERT(key_);
    peer_ = key_->peer;
  } else {
    read_peer();
    keep_for_later();
  }
  established_ = true;
  key_.reset();
  ssl_.reset();
  if (unsent_.empty()) return {};
  const Buffer unsent = std::move(unsent_);
  return send(unsent.view());
}

Result<void> Session::start_records() {
  WEFT_ASSERT(secrets_);
  const Secrets& secrets = *secrets_;
  const bool server = context_->server;
  auto records =
      RecordLayer::make({.server = server,
                         .cipher = SSL_get_current_cipher(ssl_.get()),
                         .read_secret = (server ? secrets.client : secrets.server).bytes(),
                         .write_secret = (server ? secrets.server : secrets.client).bytes()});
  secrets_.reset();
  if (!records) return fail_with(std::move(records.error()));
  records_ = std::move(*records);
  return {};
}

void Session::read_names() {
  const unsigned char* protocol = nullptr;
  unsigned int size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &protocol, &size);
  alpn_.assign(reinterpret_cast<const char*>(protocol), size);
  if (!context_->server) return;
  const char* name = SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name);
  server_name_ = name != nullptr ? name : "";
}

// spiffe_id was set by on_verify().
void Session::read_peer() {
  X509* leaf = SSL_get0_peer_certificate(ssl_.get());
  // What did not hold says nothing, not even when it ends.
  if (context_->public_clients && peer_.certificate.empty()) leaf = nullptr;
  peer_.not_after = leaf != nullptr ? to_wall_time(X509_get0_notAfter(leaf)) : WallTime{INT64_MAX};
}

std::string Session::resumption_peer() const {
  if (expected_peer_.empty()) return {};
  return server_name_ + '\0' + expected_peer_;
}

void Session::keep_for_later() {
  if (!context_->resumption || peer_.spiffe_id.empty()) return;
  const WallTime ends = std::min(
      {peer_.not_after, context_->svid->not_after(), wall_now_ + ResumptionCache::kMostAge});
  std::string by = resumption_peer();
  if (!context_->server && by.empty()) return;
  ResumptionKeyPtr key = export_resumption_key(ssl_.get(), peer_, ends);
  if (!key) return;
  if (context_->server) by = key->name;
  context_->resumption->remember(std::move(by), std::move(key));
}

void Session::on_secret(std::string_view label, std::string_view hex) {
  if (!secrets_) secrets_ = std::make_unique<Secrets>();
  if (label == "CLIENT_TRAFFIC_SECRET_0") secrets_->client.set_hex(hex);
  if (label == "SERVER_TRAFFIC_SECRET_0") secrets_->server.set_hex(hex);
}

const ResumptionKey* Session::key_to_offer() {
  const std::string by = resumption_peer();
  if (!by.empty()) key_ = context_->resumption->find(by, wall_now_);
  return key_.get();
}

const ResumptionKey* Session::key_offered(std::string_view name) {
  key_ = context_->resumption->find(name, wall_now_);
  return key_.get();
}

bool Session::on_verify(X509_STORE_CTX* store) {
  if (context_->public_clients) return on_public_client(store);
  auto id = verify_peer(store, *context_, expected_peer_, wall_now_);
  if (!id) {
    refused_ = std::move(id.error());
    return false;
  }
  peer_.spiffe_id = id->uri();
  return true;
}

bool Session::on_public_client(X509_STORE_CTX* store) {
  auto certificate = verify_public_client(store, wall_now_);
  if (certificate) {
    peer_.certificate = std::move(*certificate);
    return true;
  }
  if (!context_->fallback) refused_ = std::move(certificate.error());
  return context_->fallback;
}

Result<void> Session::send(std::string_view plaintext) {
  if (error_) return std::unexpected(*error_);
  if (plaintext.empty()) return {};
  if (!established_) {
    unsent_.append(plaintext);
    return {};
  }
  if (records_->closed()) return fail(ErrorKind::kClosed, "TLS: write after close");
  auto sent = records_->send(plaintext, wire_.output);
  if (!sent) return fail_with(std::move(sent.error()));
  return {};
}

void Session::close() {
  if (!established_ || error_) return;
  if (auto closed = records_->close(wire_.output); !closed) error_ = std::move(closed.error());
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
  if (!context->outside_names.empty())
    return make_outside_session(context, server_name, expected_peer, wall_now);
  return std::make_unique<Session>(context, server_name, expected_peer, wall_now);
}

}  // namespace weft::trust
