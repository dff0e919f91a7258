// The spellings of protocols: what a user writes after the slash of --service and in appProtocol.
#include "model/service.h"

namespace weft::model {

std::string_view to_string(Protocol protocol) {
  switch (protocol) {
    case Protocol::kAuto: return "auto";
    case Protocol::kHttp: return "http";
    case Protocol::kH2c: return "h2c";
    case Protocol::kGrpc: return "grpc";
    case Protocol::kTcp: return "tcp";
  }
  return "unknown";
}

std::optional<Protocol> parse_protocol(std::string_view text) {
  // "kubernetes.io/h2c", "kubernetes.io/ws" and "kubernetes.io/wss": KEP-3726. WebSocket begins as
  // HTTP/1.1; over TLS (wss) it is opaque to us.
  if (text == "http" || text == "kubernetes.io/ws") return Protocol::kHttp;
  if (text == "h2c" || text == "kubernetes.io/h2c") return Protocol::kH2c;
  if (text == "grpc") return Protocol::kGrpc;
  if (text == "tcp" || text == "https" || text == "kubernetes.io/wss") return Protocol::kTcp;
  return std::nullopt;
}

}  // namespace weft::model
