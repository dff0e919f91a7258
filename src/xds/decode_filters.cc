// Bounds are the Gateway API's, rounded up: what its tables admit passes here, too.
#include "xds/decode_filters.h"

#include <fmt/format.h>

#include <initializer_list>
#include <utility>

#include "resources.pb.h"
#include "xds/decode_checks.h"

namespace weft::xds {
namespace {

constexpr int kMirrors = 16;
constexpr int kCorsEntries = 64;
constexpr uint32_t kAll = 1'000'000;
constexpr size_t kPathBytes = 1024;
constexpr int64_t kLongestAge = 2'147'483'647;  // seconds, as the API's type has it

using Texts = google::protobuf::RepeatedPtrField<std::string>;

Result<void> decode_texts(const Texts& in, std::string_view field, std::vector<std::string>& out) {
  if (auto ok = within(in.size(), kCorsEntries, field); !ok) return ok;
  for (const std::string& entry : in) {
    auto one = field_name(entry, field);
    if (!one) return std::unexpected(one.error());
    out.push_back(std::move(*one));
  }
  return {};
}

Result<model::Mirror> decode(const v1::Mirror& in) {
  model::Mirror out;
  auto name = service_name(in.service(), "mirror.service");
  if (!name) return std::unexpected(name.error());
  out.service = std::move(*name);
  // A reference that could not be resolved may have no port.
  if (in.port() != 0 || !in.invalid()) {
    auto port = port_number(in.port(), "mirror.port");
    if (!port) return std::unexpected(port.error());
    out.port = *port;
  }
  if (in.share() > kAll) return invalid(fmt::format("mirror.share: {}", in.share()));
  out.share = in.share();
  out.invalid = in.invalid();
  return out;
}

}  // namespace

Result<std::vector<model::Mirror>> decode_mirrors(
    const google::protobuf::RepeatedPtrField<v1::Mirror>& in) {
  if (auto ok = within(in.size(), kMirrors, "mirrors"); !ok) return std::unexpected(ok.error());
  std::vector<model::Mirror> out;
  for (const v1::Mirror& entry : in) {
    auto mirror = decode(entry);
    if (!mirror) return std::unexpected(mirror.error());
    out.push_back(std::move(*mirror));
  }
  return out;
}

Result<model::Cors> decode_cors(const v1::Cors& in) {
  model::Cors out;
  for (const auto& [from, to, field] :
       std::initializer_list<std::tuple<const Texts&, std::vector<std::string>&, std::string_view>>{
           {in.allow_origins(), out.allow_origins, "cors.allow_origins"},
           {in.allow_methods(), out.allow_methods, "cors.allow_methods"},
           {in.allow_headers(), out.allow_headers, "cors.allow_headers"},
           {in.expose_headers(), out.expose_headers, "cors.expose_headers"}}) {
    if (auto ok = decode_texts(from, field, to); !ok) return std::unexpected(ok.error());
  }
  out.allow_credentials = in.allow_credentials();
  if (in.max_age_ns() < 0 || in.max_age_ns() > Duration::seconds(kLongestAge).ns) {
    return invalid(fmt::format("cors.max_age: {} ns is out of range", in.max_age_ns()));
  }
  out.max_age = Duration::nanos(in.max_age_ns());
  return out;
}

Result<model::SessionPersistence> decode_persistence(const v1::SessionPersistence& in) {
  model::SessionPersistence out;
  out.header = in.header();
  auto name = field_name(in.name(), "persistence.name");
  if (!name) return std::unexpected(name.error());
  out.name = std::move(*name);
  auto path = text(in.path(), "persistence.path", kPathBytes);
  if (!path) return std::unexpected(path.error());
  out.path = std::move(*path);
  // As long as a duration of the Gateway API can be written: four times 99999h.
  constexpr int64_t kLongest = Duration::hours(4 * 99'999).ns;
  for (const int64_t ns : {in.absolute_timeout_ns(), in.idle_timeout_ns()}) {
    if (ns < 0 || ns > kLongest) {
      return invalid(fmt::format("persistence: a timeout of {} ns is out of range", ns));
    }
  }
  out.absolute_timeout = Duration::nanos(in.absolute_timeout_ns());
  out.idle_timeout = Duration::nanos(in.idle_timeout_ns());
  out.permanent = in.permanent();
  return out;
}

}  // namespace weft::xds
