// Internal to trust: what servers outside the mesh gave us so that a next connection needs no certificates: their
// tickets (RFC 8446, section 4.6.1; RFC 5077), as OpenSSL's sessions.
//
// What keeps it as safe as a full handshake:
// - a cache belongs to one context, thus to one set of authorities, names, offered protocols and certificate of ours:
//   whatever of it changes makes another context, and what was kept before goes with the old;
// - an entry is offered only to the server it came from, under the same name;
// - it ends with the certificate that was verified, and kMostAge after that was, also where each connection brings new
//   tickets: then certificates are shown again;
// - a connection that fails takes with it all that its server gave; a server that fails a handshake in which something was
//   offered (some do, by misconfiguration) is never offered anything again;
// - a ticket of TLS 1.3 is offered once (RFC 8446, appendix C.4); a session of TLS 1.2 has to have the extended master
//   secret (RFC 7627).
// Threading: shared by the sessions of a context, on any thread.
#pragma once

#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <string>

#include "base/time.h"
#include "trust/openssl.h"

namespace weft::trust {

class OutsideSessions {
 public:
  static constexpr Duration kMostAge = Duration::minutes(15);
  static constexpr size_t kMostServers = 256;
  static constexpr size_t kMostOfServer = 4;

  struct Kept {
    Owned<SSL_SESSION> session;
    WallTime ends;
  };

  // Copies the session; nothing where it may not be used again. Beyond the bounds the oldest goes.
  void keep(const std::string& server, SSL_SESSION* session, WallTime ends);
  // What to offer to the server; an empty session for a full handshake.
  Kept take(const std::string& server, WallTime now);
  void forget(const std::string& server);
  // Keeps nothing of it from now on.
  void give_up(const std::string& server);

 private:
  std::mutex mutex_;
  std::set<std::string> given_up_;
  std::map<std::string, std::deque<Kept>> kept_;  // the newest last
};

}  // namespace weft::trust
