// Internal to trust: what a TlsContext holds, and the session half that its OpenSSL callbacks talk
// to.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "trust/openssl.h"
#include "trust/outside_sessions.h"
#include "trust/tls.h"
#include "trust/tls_outside.h"
#include "trust/tls_resume.h"

namespace weft::trust {

class TlsContext {
 public:
  bool server = false;
  Owned<SSL_CTX> ssl_context;
  // The BIO that moves bytes between OpenSSL and a session's buffers.
  Owned<BIO_METHOD> bio_method;
  std::shared_ptr<const Svid> svid;  // null: an anonymous client
  std::string trust_domain;          // "" with a root pin: that of the pinned root
  std::string root_spki_sha256;
  std::string alpn_wire;       // length-prefixed names, RFC 7301, section 3.1
  bool alpn_optional = false;  // a client that offers no ALPN is served all the same
  std::function<bool(std::string_view)> accept_name;
  // Of a public server that asks clients for certificates, of any authority of its store.
  bool public_clients = false;
  bool fallback = false;                        // who has none that holds is let in as nobody
  std::shared_ptr<ResumptionCache> resumption;  // null: every handshake is a full one
  std::vector<OutsideName> outside_names;       // not empty: towards servers of no mesh
  std::shared_ptr<OutsideSessions> outside_sessions;
};

// What all contexts have in common: TLS 1.3, the credential if there is one, the roots, ALPN names.
Result<std::shared_ptr<TlsContext>> make_context(bool server,
                                                 const std::shared_ptr<const Svid>& svid,
                                                 const TrustBundle& bundle,
                                                 const std::vector<std::string>& alpn,
                                                 bool send_roots);
// A server picks of what the client offers.
void choose_alpn(TlsContext& context);

// Checks the peer's certificates in the middle of the handshake (X509_STORE_CTX holds them).
// `expected_peer`: see make_client_session.
Result<model::SpiffeId> verify_peer(X509_STORE_CTX* store, const TlsContext& context,
                                    std::string_view expected_peer, WallTime now);

// The same for a client of a public server: its certificate as PeerIdentity tells it.
Result<std::string> verify_public_client(X509_STORE_CTX* store, WallTime now);
// Hash=…;Subject="…";URI=…;DNS=…
std::string describe_certificate(X509* certificate);

// What the callbacks of the context need of a session; found through SSL_get_app_data.
class TlsCallbacks {
 public:
  virtual ~TlsCallbacks() = default;
  virtual bool on_verify(X509_STORE_CTX* store) = 0;
  // Why the handshake is being refused by a callback, in our own words.
  virtual void on_refused(Error error) = 0;
  // A secret of this connection: label as in the SSLKEYLOGFILE format, and hexadecimal digits.
  virtual void on_secret(std::string_view label, std::string_view hex) = 0;
  // A client's key to offer; null for a full handshake.
  virtual const ResumptionKey* key_to_offer() = 0;
  // A server's key of this name; null when it has none.
  virtual const ResumptionKey* key_offered(std::string_view name) = 0;
};

// The two ends that a BIO of make_bio_method() moves bytes between.
struct TlsWire {
  std::string_view input;
  Buffer output;
};
Owned<BIO_METHOD> make_bio_method();

// tls_outside.cc: for a context of make_outside_client_context(). `server`: as `expected_peer` there.
std::unique_ptr<TlsSession> make_outside_session(const TlsContextPtr& context,
                                                 std::string_view server_name,
                                                 std::string_view server, WallTime wall_now);

}  // namespace weft::trust
