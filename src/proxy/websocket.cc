// The answer's fields are rewritten where a 101 and a 200 differ; an answer that refuses passes as it is.
#include "proxy/websocket.h"

#include "trust/secret.h"

namespace weft::proxy {
namespace {

constexpr std::string_view kKey = "sec-websocket-key";
constexpr std::string_view kAccept = "sec-websocket-accept";
constexpr std::string_view kWebSocket = "websocket";
constexpr size_t kKeyText = 24;  // 16 octets

// RFC 4648 section 4.
std::string base64(std::string_view octets) {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < octets.size(); i += 3) {
    uint32_t group = 0;
    for (size_t j = 0; j < 3; ++j) {
      group = group << 8 | (i + j < octets.size() ? static_cast<uint8_t>(octets[i + j]) : 0u);
    }
    for (size_t j = 0; j < 4; ++j) {
      out += i + j > octets.size() ? '=' : kDigits[group >> (18 - 6 * j) & 63];
    }
  }
  return out;
}

std::string make_key(Random& random) {
  std::string octets;
  for (int word = 0; word < 2; ++word) {
    for (uint64_t rest = random.next(), i = 0; i < 8; ++i, rest >>= 8) {
      octets += static_cast<char>(rest & 0xff);
    }
  }
  return base64(octets);
}

}  // namespace

bool is_websocket(const wire::RequestHead& head) {
  if (head.method == "CONNECT") return wire::equal_ignoring_case(head.protocol, kWebSocket);
  return head.method == "GET" &&
         wire::equal_ignoring_case(head.fields.get("upgrade").value_or(""), kWebSocket);
}

std::string websocket_accept(std::string_view key) {
  return base64(trust::sha1(std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
}

std::string upgrade_from_connect(wire::RequestHead& head, Random& random) {
  const std::string key = make_key(random);
  head.method = "GET";
  head.protocol.clear();
  head.version = wire::Version::kHttp11;
  head.length = {};
  head.fields.set("connection", "Upgrade");
  head.fields.set("upgrade", kWebSocket);
  head.fields.set(kKey, key);
  return websocket_accept(key);
}

bool answer_to_connect(wire::ResponseHead& head, std::string_view accept) {
  if (head.status / 100 == 2) return false;
  if (head.status != 101) return true;
  if (head.fields.count(kAccept) != 1 || head.fields.get(kAccept) != accept) return false;
  head.status = 200;
  head.reason.clear();
  head.exact_reason = false;
  for (std::string_view name :
       {std::string_view("connection"), std::string_view("upgrade"), kAccept})
    head.fields.remove(name);
  return true;
}

std::string connect_from_upgrade(wire::RequestHead& head) {
  const std::string_view key = head.fields.get(kKey).value_or("");
  if (head.fields.count(kKey) != 1 || key.size() != kKeyText) return {};
  std::string accept = websocket_accept(key);
  head.method = "CONNECT";
  head.protocol = kWebSocket;
  head.version = wire::Version::kHttp2;
  head.length = {wire::BodyLength::kTunnel, 0};
  for (std::string_view name : {std::string_view("connection"), std::string_view("upgrade"), kKey})
    head.fields.remove(name);
  return accept;
}

void answer_to_upgrade(wire::ResponseHead& head, std::string_view accept) {
  if (head.status / 100 != 2) return;
  head.status = 101;
  head.reason.clear();
  head.fields.set("connection", "Upgrade");
  head.fields.set("upgrade", kWebSocket);
  head.fields.set(kAccept, accept);
}

}  // namespace weft::proxy
