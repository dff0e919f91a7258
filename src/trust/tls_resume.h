// Internal to trust: what two ends keep of a full handshake so that their next connections need no
// certificates: a pre-shared key (RFC 8446, section 2.2) that both export from the connection they
// made, instead of a ticket that one sends the other. Each later connection still makes a Diffie-
// Hellman exchange of its own (psk_dhe_ke); early data is never offered nor taken.
//
// What keeps it as safe as a full handshake:
// - a cache belongs to one context, or to the workers' contexts of one credential and one trust bundle:
//   a rotation or a change of the roots makes new contexts, and what was kept before goes with the old;
// - a key stands for the identity that was verified when it was made, and ends with the first of
//   both ends' certificates or after kMostAge, when certificates are shown again;
// - a client offers a key only where it asks for the same identity under the same name; who does not
//   hold the key can but ask for a full handshake;
// - bounded: beyond kMost the oldest goes.
// Threading: a cache is shared by the sessions of a context, on any thread.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/time.h"
#include "trust/openssl.h"
#include "trust/tls.h"
#include "trust/tls_records.h"

namespace weft::trust {

struct ResumptionKey {
  static constexpr size_t kNameSize = 32;

  std::string name;  // what a client shows and a server finds it by
  TrafficSecret secret;
  const SSL_CIPHER* cipher = nullptr;  // one of OpenSSL's table
  PeerIdentity peer;
  WallTime ends;
};
using ResumptionKeyPtr = std::shared_ptr<const ResumptionKey>;

// After a full handshake: what both ends derive alike. Null when OpenSSL fails.
ResumptionKeyPtr export_resumption_key(SSL* ssl, const PeerIdentity& peer, WallTime ends);
// As OpenSSL wants it; null when it fails.
Owned<SSL_SESSION> openssl_session(const ResumptionKey& key);

class ResumptionCache {
 public:
  static constexpr size_t kMost = 1024;
  static constexpr Duration kMostAge = Duration::minutes(15);

  // A client's entries are found by whom it calls, a server's by the key's name.
  void remember(std::string by, ResumptionKeyPtr key);
  ResumptionKeyPtr find(std::string_view by, WallTime now);
  void forget(std::string_view by);
  size_t size() const;

 private:
  struct Entry {
    std::string by;
    ResumptionKeyPtr key;
  };
  void drop(std::list<Entry>::iterator entry);

  mutable std::mutex mutex_;
  std::list<Entry> entries_;  // oldest first
  std::unordered_map<std::string_view, std::list<Entry>::iterator> index_;
};

}  // namespace weft::trust
