// Lines are removed before any is added: an answer to "who calls" must never be a list whose first
// element a stranger wrote.
#include "proxy/caller_fields.h"

#include <array>
#include <ctime>

#include "model/gateway.h"

namespace weft::proxy {
namespace {

// Fields by which gateways say who calls and how; a stranger may not.
bool is_claim(std::string_view name) {
  constexpr std::string_view kEnvoy = "x-envoy-";
  if (name.size() > kEnvoy.size() &&
      wire::equal_ignoring_case(name.substr(0, kEnvoy.size()), kEnvoy))
    return true;
  for (std::string_view word : {"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host",
                                "x-forwarded-port", "forwarded", "x-real-ip"}) {
    if (wire::equal_ignoring_case(name, word)) return true;
  }
  return false;
}

bool is_of_gateway(std::string_view caller) {
  const auto identity = model::SpiffeId::parse(caller);
  return identity && model::gateway_of(*identity);
}

std::string uuid4(Random& random) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::array<uint64_t, 2> bits{random.next(), random.next()};
  bits[0] = (bits[0] & ~uint64_t{0xf000}) | 0x4000;
  bits[1] = (bits[1] & ~(uint64_t{3} << 62)) | (uint64_t{2} << 62);
  std::string out(36, '-');
  char* at = out.data();
  for (size_t i = 0; i < 32; ++i) {
    if (i == 8 || i == 12 || i == 16 || i == 20) ++at;
    *at++ = kHex[bits[i / 16] >> (60 - i % 16 * 4) & 15];
  }
  return out;
}

}  // namespace

std::string keep_or_make_request_id(wire::Fields& fields, Random& random) {
  if (auto id = fields.get(kRequestId); id && !id->empty()) return std::string(*id);
  std::string made = uuid4(random);
  fields.set(kRequestId, made);
  return made;
}

void say_identity(wire::Fields& fields, std::string_view caller, std::string_view self) {
  std::string value;
  if (const auto before = fields.get(kClientCert); before && is_of_gateway(caller))
    value = std::string(*before) + ",";
  fields.remove(kClientCert);
  if (caller.empty()) return;
  value.append("By=").append(self).append(";URI=").append(caller);
  fields.add(kClientCert, value);
}

void say_client(wire::Fields& fields, std::string_view certificate, std::string_view self) {
  fields.remove(kClientCert);
  if (certificate.empty()) return;
  std::string value = "By=";
  value.append(self).append(";").append(certificate);
  fields.add(kClientCert, value);
}

void present_request(wire::RequestHead& head, const http::ConnectionInfo& from) {
  wire::Fields& fields = head.fields;
  fields.remove_if([](const wire::Fields::Line& line) { return is_claim(line.name); });
  const bool old = head.version == wire::Version::kHttp10;
  // RFC 9110 section 10.1.1: from HTTP/1.0 the expectation means nothing.
  if (old) fields.remove("expect");
  // Nor has it to name a host; HTTP/1.1 has (RFC 9112 section 3.2).
  if (old && !fields.has("host")) fields.add("Host", head.authority);
  fields.add("via", old                                     ? "1.0 weft"
                    : head.version == wire::Version::kHttp2 ? "2 weft"
                                                            : "1.1 weft");
  fields.add("x-forwarded-for", from.peer.ip.to_string());
  fields.add("x-forwarded-proto", from.tls ? "https" : "http");
  if (old) head.version = wire::Version::kHttp11;
}

void present_response(wire::ResponseHead& head, WallTime now) {
  if (head.version == wire::Version::kHttp10) head.version = wire::Version::kHttp11;
  if (head.status >= 200 && !head.fields.has("date")) head.fields.add("date", http_date(now));
}

std::string http_date(WallTime time) {
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t seconds = time.unix_seconds();
  std::tm tm{};
  gmtime_r(&seconds, &tm);
  auto two = [](int n) { return std::string{char('0' + n / 10 % 10), char('0' + n % 10)}; };
  return std::string(kDays[tm.tm_wday]) + ", " + two(tm.tm_mday) + " " + kMonths[tm.tm_mon] + " " +
         std::to_string(tm.tm_year + 1900) + " " + two(tm.tm_hour) + ":" + two(tm.tm_min) + ":" +
         two(tm.tm_sec) + " GMT";
}

}  // namespace weft::proxy
