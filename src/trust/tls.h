// TLS 1.3 as bytes in and bytes out: no sockets, no blocking, no clock of its own. A session is fed
// what the transport received and produces what the transport must send; http/tls_stream.h marries
// it to an io::Stream. OpenSSL 3.0 shakes hands; the records after that are sealed and opened between
// buffers of ours: one read for many, one send for many. Cipher suite and group: TLS_AES_256_GCM_SHA384 (and
// AES-128/ChaCha20), X25519 and P-256, ECDSA P-256. Peers are verified against the bundle of the
// trust domain in the peer's SVID (RFC 5280 path, SPIFFE rules: exactly one URI SAN,
// digitalSignature, no CA leaf; an embedded NUL is refused). Threading: a TlsContext is immutable
// and may be shared; a TlsSession belongs to one thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/result.h"
#include "base/time.h"
#include "trust/svid.h"

namespace weft::trust {

// Mutual TLS between workloads (kMutual), or a server whose clients may be anonymous until they
// hold a credential (kOptionalClient: joining).
enum class ClientAuth { kMutual, kOptionalClient };

class TlsContext;
using TlsContextPtr = std::shared_ptr<const TlsContext>;

struct TlsServerConfig {
  std::shared_ptr<const Svid> svid;
  TrustBundle bundle;
  ClientAuth client_auth = ClientAuth::kMutual;
  std::vector<std::string> alpn;  // in order of preference; no overlap = the handshake fails
  // Says whether this server answers to the name asked for (SNI, "" when none); absent: any. A
  // client that is refused so sees kUnauthenticated with retry kYes: the address belongs to someone
  // else now.
  std::function<bool(std::string_view)> accept_name;
  // Peers that have shown a certificate may come again without, as whom they were (RFC 8446, section
  // 2.2; the rules are in tls_resume.h). Both ends must want it.
  bool resume = false;
  // A context with the same credential and bundle, of another worker: who was verified by one may come
  // to the other. Null: none.
  TlsContextPtr resume_with;
};

struct TlsClientConfig {
  std::shared_ptr<const Svid> svid;  // null: anonymous (joining)
  TrustBundle bundle;
  std::vector<std::string> alpn;
  // Joining, before any bundle is known: accept exactly a chain whose root has this SHA-256 of its
  // SubjectPublicKeyInfo (lower-case hex), and whose leaf is a control plane (SpiffeId::is_server):
  // every workload has a certificate under that root, and none of them may take a token. Servers
  // with kOptionalClient send their roots for this. Empty otherwise.
  std::string root_spki_sha256;
  // As in TlsServerConfig; only towards an `expected_peer`, and under the same server name.
  bool resume = false;
};

// Clients of a public server that show certificates: those that one of these authorities signed are let in.
struct PublicClients {
  std::string roots_pem;  // authorities.h
  // Clients without such a certificate are let in too, as nobody.
  bool fallback = false;
};

// A server towards clients of no mesh: shows a certificate that any authority may have signed. A client may offer no ALPN; of what it offers something must be of `alpn`.
struct PublicServer {
  TlsContextPtr context;
  std::vector<std::string> names;  // dNSNames of the leaf, lower case; "*.example.com" as it stands
  WallTime not_after;
};
// PEM: leaf first, then intermediates; the leaf's key, RSA or EC, not encrypted. kInvalid: one is damaged, or
// they do not belong together. Whether the certificate is in force is the client's to judge. `clients` null: no
// certificate is asked for.
Result<PublicServer> make_public_server(std::string_view chain_pem, std::string_view key_pem,
                                        const std::vector<std::string>& alpn,
                                        const PublicClients* clients = nullptr);

Result<TlsContextPtr> make_server_context(const TlsServerConfig& config);
Result<TlsContextPtr> make_client_context(const TlsClientConfig& config);
// When the credential of this context ends (no handshake succeeds with an expired certificate).
WallTime expires_at(const TlsContext& context);

struct PeerIdentity {
  std::string spiffe_id;  // "" when anonymous
  // Of a public server's client whose certificate was verified, an element of x-forwarded-client-cert:
  // Hash=SHA-256 of it;Subject="…";URI=…;DNS=… (as many as there are). Else "".
  std::string certificate;
  WallTime not_after;  // of the leaf; the end of time when anonymous
};

class TlsSession {
 public:
  virtual ~TlsSession() = default;
  // What arrived from the transport. Takes it from the front; what is left is the beginning of a
  // record: come again with more behind it. Errors are final; output() may still hold an alert to send.
  virtual Result<void> receive(Buffer& ciphertext) = 0;
  // What must go to the transport now. The session appends; the owner drains.
  virtual Buffer& output() = 0;
  // Decrypted bytes that wait for the application. The owner drains.
  virtual Buffer& plaintext() = 0;
  // Encrypts (queues until the handshake is done). Records of up to 16 KiB.
  virtual Result<void> send(std::string_view plaintext) = 0;
  // Starts the client's handshake; a no-op later and for servers.
  virtual Result<void> start() = 0;
  // close_notify goes into output().
  virtual void close() = 0;

  virtual bool established() const = 0;
  // The peer said close_notify: a clean end. Without it an end of the transport is a truncation.
  virtual bool peer_closed() const = 0;
  virtual const PeerIdentity& peer() const = 0;  // valid once established
  // No certificates were shown: peer() is whom an earlier connection has verified.
  virtual bool resumed() const = 0;
  virtual std::string alpn() const = 0;
  virtual std::string server_name() const = 0;
};

// `wall_now`: the time against which certificates are judged.
std::unique_ptr<TlsSession> make_server_session(const TlsContextPtr& context, WallTime wall_now);
// `expected_peer`: the SPIFFE ID the server must show, or the handshake fails before anything of
// ours but the ClientHello was sent ("" = any of the bundle's trust domain). A wrong identity is an
// Error of kind kUnauthenticated, source upstream, retry kYes.
std::unique_ptr<TlsSession> make_client_session(const TlsContextPtr& context,
                                                std::string_view server_name,
                                                std::string_view expected_peer, WallTime wall_now);

}  // namespace weft::trust
