// The Gateway of gateway_scene.h whose running proxy is asked what it would do, and a client from outside that then does it.
#pragma once

#include <memory>
#include <string>

#include "http/tls_stream.h"
#include "scenarios/explained.h"
#include "scenarios/gateway_scene.h"
#include "scenarios/raw_peer.h"
#include "trust/certificate_for_test.h"
#include "trust/tls_outside.h"

namespace weft::scenarios {

// Each its own authority, from 2025 to 2125: of shop.test, and of *.blog.test.
inline constexpr const char* kShop = R"(-----BEGIN CERTIFICATE-----
MIIBRDCB7KADAgECAgEBMAoGCCqGSM49BAMCMA8xDTALBgNVBAMMBHNob3AwIBcN
MjUwMTAxMDAwMDAwWhgPMjEyNTAxMDEwMDAwMDBaMA8xDTALBgNVBAMMBHNob3Aw
WTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQkmAX6qkatUoLH+3k5U59Es21myZb7
wmjoXhNaseq3neBlzm6XS7j5TlAeoRG8Anu8beOP4NW+9qNpECKS6nqrozcwNTAU
BgNVHREEDTALgglzaG9wLnRlc3QwHQYDVR0OBBYEFJxMbt3cv23U5G6WD5hOBWjm
mV5yMAoGCCqGSM49BAMCA0cAMEQCIAZoq4Er3tljoNqURJTZESnY+nLN4DgH4cDi
oTPAHRsIAiBdxiVcR137ANsk8g1CDnGJI+3UIVU3lkvQniI5Hn0sAQ==
-----END CERTIFICATE-----
)";
inline constexpr const char* kShopKey = R"(-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgCYMY1fKDZCzki0MV
4n+WgujKAFExBwJno3NfBAmav72hRANCAAQkmAX6qkatUoLH+3k5U59Es21myZb7
wmjoXhNaseq3neBlzm6XS7j5TlAeoRG8Anu8beOP4NW+9qNpECKS6nqr
-----END PRIVATE KEY-----
)";
inline constexpr const char* kBlog = R"(-----BEGIN CERTIFICATE-----
MIIBSDCB7qADAgECAgEBMAoGCCqGSM49BAMCMA8xDTALBgNVBAMMBGJsb2cwIBcN
MjUwMTAxMDAwMDAwWhgPMjEyNTAxMDEwMDAwMDBaMA8xDTALBgNVBAMMBGJsb2cw
WTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARXLs6QpyzWEEidM3dnialCwlw2txy5
qiKN+spJBzIYQAWPZguEMRk8o3B56/947S3bbHV84qu+/wJd10AxCxWIozkwNzAW
BgNVHREEDzANggsqLmJsb2cudGVzdDAdBgNVHQ4EFgQU1lcaQuWXGyBiR+JSJY3g
XmnD5S4wCgYIKoZIzj0EAwIDSQAwRgIhAO2y1HrPXV+P32qfdXFxPat2jfUM/qOa
aMR3vjJF2bGcAiEA5hWzdX1UfKQaQqPpRbeQkVniz/CI0cRQoiGMNOPQlL8=
-----END CERTIFICATE-----
)";
inline constexpr const char* kBlogKey = R"(-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgItqSwPGymN0mwEmY
bcKD5B229nfXnxghyvMMIdtWZ6GhRANCAARXLs6QpyzWEEidM3dnialCwlw2txy5
qiKN+spJBzIYQAWPZguEMRk8o3B56/947S3bbHV84qu+/wJd10AxCxWI
-----END PRIVATE KEY-----
)";

class GatewayExplain : public GatewayScene {
 protected:
  GatewayExplain() {
    for (const char* name : {"db", "raw"}) {
      mesh.add({.name = name,
                .services = {{name, 5432, 5432, model::Protocol::kTcp, true}},
                .behaviour = {.says = name}});
    }
  }
  void secret(const std::string& name, const char* certificate, const char* key) {
    const CallResult result = mesh.apply("apiVersion: v1\nkind: Secret\nmetadata: {name: " + name +
                                         "}\ntype: kubernetes.io/tls\nstringData:\n  tls.crt: |\n" +
                                         trust::yaml_block(certificate, 4) + "  tls.key: |\n" +
                                         trust::yaml_block(key, 4));
    ASSERT_EQ(result.status, 200) << result.body;
  }
  void https() {
    secret("shop", kShop, kShopKey);
    secret("blog", kBlog, kBlogKey);
    listeners(
        R"({name: shop, port: 443, protocol: HTTPS, hostname: shop.test, tls: {certificateRefs: [{name: shop}]}},
      {name: blog, port: 443, protocol: HTTPS, hostname: '*.blog.test', tls: {certificateRefs: [{name: blog}]}},
      {name: through, port: 443, protocol: TLS, hostname: '*.pass.test', tls: {mode: Passthrough}},
      {name: raw, port: 5432, protocol: TCP}, {name: bare, port: 5433, protocol: TCP})");
    route("shop", "shop.test", "a");
    route("blog", "'*.blog.test'", "b");
    apply("TLSRoute", "db",
          "parentRefs: [{name: edge, sectionName: through}], hostnames: [db.pass.test], rules: "
          "[{backendRefs: [{name: db, port: 5432}]}]");
    apply("TCPRoute", "raw",
          "parentRefs: [{name: edge, sectionName: raw}], rules: [{backendRefs: [{name: raw, port: "
          "5432}]}]");
  }

  // `what`: all of the question but who is asked.
  Node ask(const std::string& what) { return explained(mesh, R"({"from": "edge", )" + what + "}"); }
  Node ask_http(const std::string& host, const std::string& target = "/", uint16_t port = 80) {
    return ask(R"("kind": "request", "method": "GET", "host": ")" + host + R"(", "authority": ")" +
               host + R"(", "target": ")" + target + R"(", "port": )" + std::to_string(port));
  }
  // `name`: the server name that TLS asks for; "" = none.
  Node ask_https(const std::string& name, const std::string& host, uint16_t port = 443) {
    return ask(R"("kind": "connection", "tls": true, "method": "GET", "target": "/", "host": ")" +
               host + R"(", "serverName": ")" + name + R"(", "authority": ")" + host +
               R"(", "port": )" + std::to_string(port));
  }
  Node ask_tcp(uint16_t port, const std::string& server_name = "") {
    return ask(
        R"("kind": "connection", "host": "edge.test", "port": )" + std::to_string(port) +
        (server_name.empty() ? "" : R"(, "tls": true, "serverName": ")" + server_name + "\""));
  }
  // The names of the apps of which one serves, in one text: "a b".
  std::string candidates(const Node& explanation) {
    std::string names;
    for (const Node& id : explanation.find_path({"outcome", "endpoints"})->items) {
      for (const std::string& name : mesh.names()) {
        if (mesh.instance(name).registered.instance == id.text)
          names += (names.empty() ? "" : " ") + name;
      }
    }
    return names;
  }

  http::FetchResponse send(const std::string& host, const std::string& target, uint16_t port = 80) {
    wire::RequestHead head;
    head.method = "GET";
    head.target = target;
    head.authority = host;
    auto answer = mesh.world().run(http::fetch(outside.loop(), outside.network(), door(port), head,
                                               "", Duration::seconds(10)));
    return answer ? *answer : http::FetchResponse{};
  }
  SocketAddress door(uint16_t port) { return {mesh.instance("gateway-edge").side->ip(), port}; }
  std::unique_ptr<RawPeer> dial(uint16_t port) {
    auto stream = mesh.world().run(outside.network().connect(door(port), Duration::seconds(5)));
    WEFT_ASSERT(stream);
    return std::make_unique<RawPeer>(std::move(*stream));
  }
  // What a client that says so is answered: the name of the app, "alert N", "reset" or "400".
  std::string say(uint16_t port, const std::string& bytes) {
    auto peer = dial(port);
    peer->write(bytes);
    mesh.world().run_until([&] { return !peer->in.empty() || peer->ended; }, Duration::seconds(15));
    if (peer->in.starts_with("\x15\x03\x03") && peer->in.size() == 7)
      return "alert " + std::to_string(static_cast<unsigned char>(peer->in[6]));
    if (peer->in.starts_with("HTTP/1.1 ")) return peer->in.substr(9, 3);
    if (peer->in.empty()) return peer->reset ? "reset" : "nothing";
    return peer->in.substr(0, peer->in.find(' '));
  }
  // "STATUS BODY" of a request by TLS of this server name, which has to show a certificate of `certified`.
  std::string get_by_tls(const std::string& name, const std::string& certified,
                         const std::string& host) {
    auto context =
        trust::make_outside_client_context({.authorities_pem = std::string(kShop) + kBlog,
                                            .names = {{false, certified}},
                                            .alpn = {"http/1.1"},
                                            .chain_pem = "",
                                            .key_pem = ""});
    WEFT_ASSERT(context);
    auto stream = mesh.world().run(outside.network().connect(door(443), Duration::seconds(5)));
    WEFT_ASSERT(stream);
    auto made = mesh.world().run(http::tls_connect(outside.loop(), std::move(*stream), *context,
                                                   name, "", Duration::seconds(5)));
    if (!made) return made.error().message();
    RawPeer peer(std::move(made->stream));
    peer.write("GET / HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n");
    mesh.world().run_until([&] { return peer.ended; }, Duration::seconds(5));
    const size_t body = peer.all.find("\r\n\r\n");
    return peer.all.substr(9, 3) +
           (body == std::string::npos ? "" : " " + peer.all.substr(body + 4, 1));
  }
};

}  // namespace weft::scenarios
