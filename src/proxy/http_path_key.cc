// The key by which a hashing policy tells a request from others. Computed once, for all its tries; nothing
// where no policy hashes.
#include <fmt/format.h>

#include "base/hash.h"
#include "proxy/http_request.h"
#include "proxy/stickiness.h"

namespace weft::proxy {
namespace {

std::string fresh_cookie(const model::RequestKey& key, const std::string& value, bool secure) {
  return fmt::format("{}={}; Path=/; Max-Age={}; HttpOnly{}", key.name, value,
                     key.cookie_ttl.to_seconds(), secure ? "; Secure" : "");
}

}  // namespace

// The first part that the request has decides; without any there is no key.
void HttpPath::find_key(Request& request) {
  if (request.key || !request.group) return;
  const auto* keys =
      hash_keys(*request.group, request.rule ? request.rule->rule().policy.get() : nullptr);
  if (!keys) return;
  const wire::RequestHead& head = request.down->request();
  const http::ConnectionInfo& from = request.down->connection();
  const std::string address = worker_.presence == Presence::kGateway
                                  ? from.peer.ip.to_string()
                                  : worker_.self.mesh4.to_string();
  const steer::RequestParts parts{.fields = &head.fields,
                                  .target = head.target,
                                  .identity = request.log.source,
                                  .address = address};
  std::string scratch;
  const auto part = hashed_part(*keys, parts, scratch);
  if (!part) return;
  if (part->value) {
    request.key = xxh64(*part->value);
    return;
  }
  const std::string value = fmt::format("{:016x}", worker_.random.next());
  request.key = xxh64(value);
  request.new_cookie = fresh_cookie(*part->key, value, from.tls);
}

}  // namespace weft::proxy
