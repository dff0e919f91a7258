// Endpoints outside the mesh (docs/design/outside.md): what is spoken to them, with which TLS, and one exchange with
// such a server as the rest of the proxy knows exchanges. A server outside looks to a request like a sidecar that
// stands before it: heads are given and come back as on the hop between sidecars, and nothing of the mesh's own
// fields leaves or enters. Lives on the worker loop.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "http/client.h"
#include "proxy/upstream_bounds.h"
#include "proxy/worker.h"
#include "trust/tls.h"

namespace weft::proxy {

// What an exchange wants of an endpoint outside.
struct OutsideUse {
  model::ServiceName service;
  uint16_t port = 0;      // of the service
  uint16_t app_port = 0;  // of the endpoint
  enum Kind : uint8_t { kHttp1Request, kHttp2Request, kUpgrade, kOpaque } kind = kHttp1Request;
};
// A port that declares h2c or grpc is spoken to in HTTP/2; another in what the server chooses where there is TLS, and in
// plain as HTTP/1.1 where http is declared, else as the client does.
UpstreamTarget outside_target(const Snapshot& snapshot, const EndpointGroup& group,
                              const model::Endpoint& endpoint, const OutsideUse& use);

// Where a connection to the endpoint goes.
SocketAddress address_of(const model::Endpoint& endpoint, uint16_t app_port);

// Why nothing may be sent there; "" = it may.
std::string problem_outside(const Worker& worker, const UpstreamTarget& target);

// TLS contexts by what they verify and offer, made when the first connection needs one.
class OutsideContexts {
 public:
  explicit OutsideContexts(const Worker& worker) : worker_(worker) {}
  // Another one once the certificate that we show is another: connections made before are used no more.
  uint64_t generation();
  Result<trust::TlsContextPtr> of(const model::OutsideTlsPtr& tls, UpstreamTarget::Form form);
  // Forgets what nobody refers to any more.
  void sweep();

 private:
  const Worker& worker_;
  std::shared_ptr<const model::GatewayCertificate> shown_;
  uint64_t generation_ = 1;
  std::map<std::pair<model::OutsideTlsPtr, UpstreamTarget::Form>, trust::TlsContextPtr> made_;
};

// Opens an exchange. `head` has the form of the hop between sidecars, or is an upgrade's. A WebSocket that was asked for
// by an extended CONNECT is an Upgrade to a server of HTTP/1.1, with a key drawn from `random`.
Result<http::ClientStreamPtr> open_outside(http::ClientConnection& client,
                                           http::ClientProtocol protocol, wire::RequestHead head,
                                           bool end, Random& random);

}  // namespace weft::proxy
