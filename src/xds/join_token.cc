// A token is one word that survives shells, chats and line wraps: a versioned prefix and base64url.
// Everything that comes out of decode() was checked: it is pasted by people.
#include "xds/join_token.h"

#include <array>

#include <fmt/format.h>

#include "base/text.h"
#include "control.pb.h"

namespace weft::xds {
namespace {

constexpr std::string_view kPrefix = "weft1.";
constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr size_t kTokenBytes = 4096;
constexpr int kServers = 16;
constexpr size_t kPinBytes = 32;

constexpr std::array<int, 256> make_values() {
  std::array<int, 256> values{};
  values.fill(-1);
  for (size_t i = 0; i < kAlphabet.size(); ++i) {
    values[static_cast<unsigned char>(kAlphabet[i])] = static_cast<int>(i);
  }
  return values;
}
constexpr auto kValues = make_values();

std::unexpected<Error> bad_token(std::string_view why) {
  return fail(ErrorKind::kInvalid,
              fmt::format("this is no join token of Weft ({}); paste it whole, as `weft server` or "
                          "`weft token create` printed it",
                          why));
}

}  // namespace

std::string base64url_encode(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() * 4 + 2) / 3);
  uint32_t bits = 0;
  int count = 0;
  for (char c : bytes) {
    bits = (bits << 8) | static_cast<unsigned char>(c);
    count += 8;
    while (count >= 6) {
      count -= 6;
      out += kAlphabet[(bits >> count) & 63];
    }
  }
  if (count > 0) out += kAlphabet[(bits << (6 - count)) & 63];
  return out;
}

Result<std::string> base64url_decode(std::string_view text) {
  if (text.size() % 4 == 1) return fail(ErrorKind::kInvalid, "base64url: cut off");
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  for (char c : text) {
    int value = kValues[static_cast<unsigned char>(c)];
    if (value < 0) return fail(ErrorKind::kInvalid, "base64url: a character that does not belong");
    bits = (bits << 6) | static_cast<uint32_t>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out += static_cast<char>((bits >> count) & 255);
    }
  }
  if ((bits & ((1u << count) - 1)) != 0) return fail(ErrorKind::kInvalid, "base64url: cut off");
  return out;
}

std::string JoinToken::encode() const {
  v1::JoinToken message;
  for (const auto& server : servers) message.add_servers(server.to_string());
  message.set_root_spki_sha256(from_hex(root_spki_sha256).value_or(""));
  message.set_trust_domain(trust_domain);
  message.set_secret(secret);
  return std::string(kPrefix) + base64url_encode(message.SerializeAsString());
}

Result<JoinToken> JoinToken::decode(std::string_view text) {
  if (!text.starts_with(kPrefix)) return bad_token("it does not begin with weft1.");
  if (text.size() > kTokenBytes) return bad_token("it is too long");
  auto bytes = base64url_decode(text.substr(kPrefix.size()));
  if (!bytes) return bad_token(bytes.error().message());
  v1::JoinToken message;
  if (!message.ParseFromString(*bytes)) return bad_token("it is damaged");
  JoinToken token;
  if (message.servers_size() == 0) return bad_token("it names no server");
  if (message.servers_size() > kServers) return bad_token("it names too many servers");
  for (const auto& server : message.servers()) {
    auto address = SocketAddress::parse(server);
    if (!address || address->port == 0) return bad_token("a server's address is damaged");
    token.servers.push_back(*address);
  }
  if (message.root_spki_sha256().size() != kPinBytes) return bad_token("its root pin is damaged");
  if (message.secret().size() < 16 || message.secret().size() > 64) {
    return bad_token("its secret is damaged");
  }
  if (message.trust_domain().empty() || message.trust_domain().size() > 255) {
    return bad_token("its trust domain is damaged");
  }
  token.root_spki_sha256 = to_hex(message.root_spki_sha256());
  token.trust_domain = message.trust_domain();
  token.secret = message.secret();
  return token;
}

}  // namespace weft::xds
