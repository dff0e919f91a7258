// A backend is tagged apart from the instance, so that a session whose instance has gone stays at least with the
// version of the app it began with. SameSite is Lax, not Strict: a link from elsewhere must find its session,
// or the answer to it would end that.
#include "steer/session.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/hash.h"
#include "base/text.h"

namespace weft::steer {
namespace {

constexpr int64_t kMilli = 1'000'000;
constexpr size_t kTag = 16, kMoment = 12;  // hexadecimal digits
// Clocks of sidecars differ, but not by more: a token from the future is nobody's.
constexpr Duration kClocks = Duration::hours(24);

std::optional<uint64_t> take_hex(std::string_view& text, size_t digits) {
  const auto bytes = from_hex(text.substr(0, digits));
  text.remove_prefix(digits);
  if (!bytes) return std::nullopt;
  uint64_t number = 0;
  for (char byte : *bytes) number = number << 8 | static_cast<unsigned char>(byte);
  return number;
}

uint64_t millis_of(WallTime time) {
  return static_cast<uint64_t>(std::max<int64_t>(time.unix_ns / kMilli, 0)) & 0xffff'ffff'ffff;
}

}  // namespace

uint64_t backend_tag(std::string_view secret, const model::RouteRule& rule,
                     const model::Backend& backend) {
  uint64_t tag = xxh64(secret);
  for (std::string_view part :
       {std::string_view(rule.route), std::string_view(rule.rule),
        std::string_view(backend.service.ns), std::string_view(backend.service.name)}) {
    tag = xxh64(part, tag);
  }
  return xxh64(std::to_string(backend.port), tag);
}

uint64_t service_tag(std::string_view secret, const model::ServiceName& service, uint16_t port) {
  return xxh64(service.to_string() + ":" + std::to_string(port), xxh64(secret));
}

uint64_t instance_tag(uint64_t backend, std::string_view workload) {
  return xxh64(workload, backend);
}

std::string SessionToken::encode() const {
  return fmt::format("{:016x}{:016x}{:012x}{:012x}", backend, instance, millis_of(created),
                     millis_of(used));
}

std::optional<SessionToken> SessionToken::decode(std::string_view text) {
  if (text.size() != 2 * kTag + 2 * kMoment) return std::nullopt;
  const auto backend = take_hex(text, kTag), instance = take_hex(text, kTag);
  const auto created = take_hex(text, kMoment), used = take_hex(text, kMoment);
  if (!backend || !instance || !created || !used) return std::nullopt;
  const auto moment = [](uint64_t millis) {
    return WallTime{static_cast<int64_t>(std::min<uint64_t>(millis, INT64_MAX / 2 / kMilli)) *
                    kMilli};
  };
  return SessionToken{*backend, *instance, moment(*created), moment(*used)};
}

bool session_holds(const SessionToken& token, const model::SessionPersistence& rules,
                   WallTime now) {
  if (std::max(token.created, token.used) - now > kClocks) return false;
  if (rules.absolute_timeout.ns > 0 && now - token.created >= rules.absolute_timeout) return false;
  return rules.idle_timeout.ns <= 0 || now - token.used <= rules.idle_timeout;
}

std::string session_cookie(const SessionToken& token, const model::SessionPersistence& rules,
                           WallTime now, bool secure) {
  std::string cookie = rules.name + "=" + token.encode() + "; Path=" + rules.path;
  if (rules.permanent) {
    const Duration left = token.created + rules.absolute_timeout - now;
    cookie +=
        fmt::format("; Max-Age={}", std::max<int64_t>((left.ns + 999'999'999) / 1'000'000'000, 0));
  }
  cookie += "; HttpOnly; SameSite=Lax";
  if (secure) cookie += "; Secure";
  return cookie;
}

}  // namespace weft::steer
