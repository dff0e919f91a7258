// The Gateway API's string formats. The CRDs state them as regular expressions; here they are the same
// expressions, so that the outcome is the same, each with the words a user reads when it is missed.
#include <re2/re2.h>

#include "control/decode.h"

namespace weft::control {
namespace {

#define WEFT_DNS "[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"

// `text` matches as a whole and is within `longest`.
bool matches(const re2::RE2& pattern, std::string_view text, size_t longest) {
  return text.size() <= longest &&
         re2::RE2::FullMatch(re2::StringPiece(text.data(), text.size()), pattern);
}

bool is_group(std::string_view text) {
  static const re2::RE2 kPattern("|" WEFT_DNS);
  return matches(kPattern, text, 253);
}

bool is_kind(std::string_view text) {
  static const re2::RE2 kPattern("[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?");
  return matches(kPattern, text, 63);
}

bool is_object_name(std::string_view text) { return !text.empty() && text.size() <= 253; }

bool is_section(std::string_view text) {
  static const re2::RE2 kPattern(WEFT_DNS);
  return matches(kPattern, text, 253);
}

bool is_hostname(std::string_view text) {
  static const re2::RE2 kPattern("(\\*\\.)?" WEFT_DNS);
  return matches(kPattern, text, 253);
}

bool is_header_text(std::string_view text) {
  static const re2::RE2 kPattern("[!-~]+([\\t ]?[!-~]+)*");
  return matches(kPattern, text, 4096);
}

bool is_short_header_name(std::string_view text) {
  return kHeaderName.matches(text) && text.size() <= 256;
}

bool is_origin(std::string_view text) {
  static const re2::RE2 kPattern(
      "\\*|https?://(((\\*\\.)?([a-zA-Z0-9\\-]+\\.)*[a-zA-Z0-9-]+|\\*)(:([0-9]{1,5}))?)");
  return matches(kPattern, text, 253);
}

bool is_path(std::string_view text) {
  static const re2::RE2 kPattern("(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|[%][0-9a-fA-F]{2})+");
  return matches(kPattern, text, 1024);
}

bool is_controller(std::string_view text) {
  static const re2::RE2 kPattern(WEFT_DNS "/[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+");
  return matches(kPattern, text, 253);
}

bool is_listener_protocol(std::string_view text) {
  static const re2::RE2 kPattern("[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?|" WEFT_DNS
                                 "/[A-Za-z0-9]+");
  return matches(kPattern, text, 255);
}

bool is_address_type(std::string_view text) {
  static const re2::RE2 kPattern("Hostname|IPAddress|NamedAddress|" WEFT_DNS
                                 "/[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+");
  return matches(kPattern, text, 253);
}

bool is_well_known_ca(std::string_view text) {
  static const re2::RE2 kPattern("System|" WEFT_DNS
                                 "/([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]");
  return matches(kPattern, text, 253);
}

bool is_uri(std::string_view text) {
  static const re2::RE2 kPattern("[^:/?#]+://[^/?#]*[^?#]*(\\?[^#]*)?(#.*)?");
  return matches(kPattern, text, 253);
}

#undef WEFT_DNS

}  // namespace

const Format kGroup{"an API group: a DNS name, or \"\" for core", "gateway.networking.k8s.io",
                    is_group};
const Format kKindName{"a kind: letters, digits and '-', a letter first", "Service", is_kind};
const Format kObjectName{"a name of 1 to 253 characters", "cart", is_object_name};
const Format kSectionName{"a DNS name: labels of a-z, 0-9 and '-', separated by dots", "http",
                          is_section};
const Format kHostname{"a host name: a-z, 0-9, '-' and dots, '*.' may come first", "*.example.com",
                       is_hostname};
const Format kPreciseHostname{"a host name: a-z, 0-9, '-' and dots, no wildcard", "example.com",
                              is_section};
const Format kHeaderText{
    "a header value: visible ASCII characters with single blanks between them, no line breaks",
    "yes", is_header_text};
const Format kShortHeaderName{"a header name (RFC 9110 token) of at most 256 characters",
                              "x-canary", is_short_header_name};
const Format kOrigin{"an origin: * or http(s)://HOST[:PORT], '*.' may begin HOST",
                     "https://www.example.com", is_origin};
const Format kPathCharacters{"a path: the characters of RFC 3986, others percent-encoded", "/check",
                             is_path};
const Format kControllerName{"a controller's name: DOMAIN/PATH", "weft.dev/gateway", is_controller};
const Format kListenerProtocol{"a protocol: HTTP, HTTPS, TLS, TCP, UDP or DOMAIN/NAME", "HTTPS",
                               is_listener_protocol};
const Format kAddressType{"a type of address: IPAddress, Hostname, NamedAddress or DOMAIN/NAME",
                          "IPAddress", is_address_type};
const Format kWellKnownCa{"System, or DOMAIN/NAME", "System", is_well_known_ca};
const Format kUri{"an absolute URI: SCHEME://...", "spiffe://weft.local/ns/shop/sa/cart", is_uri};

}  // namespace weft::control
