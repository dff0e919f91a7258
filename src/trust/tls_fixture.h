// For the tests of TLS: a mesh with its authority, and two sessions face to face without a transport,
// the bytes of one fed to the other.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>

#include "trust/ca.h"
#include "trust/tls.h"

namespace weft::trust {

inline const WallTime kNow = WallTime::from_unix_seconds(1'800'000'000);
inline constexpr const char* kWeb = "spiffe://td.test/ns/default/sa/web";
inline constexpr const char* kCart = "spiffe://td.test/ns/default/sa/cart";

using SvidPtr = std::shared_ptr<const Svid>;

struct Mesh {
  CertificateAuthority ca = *CertificateAuthority::create("td.test", kNow);

  SvidPtr svid(const char* uri, WallTime now = kNow) {
    return *ca.issue(*model::SpiffeId::parse(uri), now);
  }
  TlsServerConfig server() { return {.svid = svid(kCart), .bundle = ca.bundle(), .alpn = {"h2"}}; }
  TlsClientConfig client() { return {.svid = svid(kWeb), .bundle = ca.bundle(), .alpn = {"h2"}}; }
};

// A client and a server session, and the outcome of letting them talk.
struct Pair {
  std::unique_ptr<TlsSession> client, server;
  Result<void> client_outcome, server_outcome;
  Buffer to_client, to_server;

  Pair(const TlsServerConfig& server_config, const TlsClientConfig& client_config,
       std::string_view expected = kCart, WallTime now = kNow, std::string_view name = "") {
    const auto server_context = make_server_context(server_config);
    const auto client_context = make_client_context(client_config);
    EXPECT_TRUE(server_context) << server_context.error().message();
    EXPECT_TRUE(client_context) << client_context.error().message();
    server = make_server_session(*server_context, now);
    client = make_client_session(*client_context, name, expected, now);
  }
  // Of contexts that other pairs use too.
  Pair(const TlsContextPtr& server_context, const TlsContextPtr& client_context,
       std::string_view expected, WallTime now, std::string_view name)
      : client(make_client_session(client_context, name, expected, now)),
        server(make_server_session(server_context, now)) {}

  // `left`: what `to` has not taken yet.
  static void move_bytes(TlsSession& from, TlsSession& to, Buffer& left, Result<void>& outcome,
                         size_t segment) {
    const Buffer bytes = std::move(from.output());
    for (size_t at = 0; at < bytes.size(); at += segment) {
      left.append(bytes.view().substr(at, segment));
      if (auto done = to.receive(left); !done) outcome = done;
    }
  }
  // Lets both talk until neither has anything to say.
  void talk(size_t segment = 1 << 20) {
    if (auto started = client->start(); !started) client_outcome = started;
    while (!client->output().empty() || !server->output().empty()) {
      move_bytes(*client, *server, to_server, server_outcome, segment);
      move_bytes(*server, *client, to_client, client_outcome, segment);
    }
  }
  bool both_established() const { return client->established() && server->established(); }
};

}  // namespace weft::trust
