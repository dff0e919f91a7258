// Identities are checked by hand-written scanners, byte by byte: the alphabets are tiny, a regular
// expression would be longer, and these run on every handshake and every DNS question.
// Syntax: SPIFFE-ID standard, section 2; RFC 1123, section 2.1 for labels.
#include "model/identity.h"

#include <algorithm>

namespace weft::model {
namespace {

constexpr std::string_view kScheme = "spiffe://";
constexpr size_t kMaxUri = 2048;
constexpr size_t kMaxTrustDomain = 255;

bool is_lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool is_trust_domain_char(char c) {
  return is_lower_or_digit(c) || c == '.' || c == '-' || c == '_';
}

bool is_segment_char(char c) { return is_trust_domain_char(c) || (c >= 'A' && c <= 'Z'); }

bool is_trust_domain(std::string_view text) {
  return !text.empty() && text.size() <= kMaxTrustDomain &&
         std::ranges::all_of(text, is_trust_domain_char);
}

bool is_segment(std::string_view text) {
  return !text.empty() && text != "." && text != ".." && std::ranges::all_of(text, is_segment_char);
}

// "" or "/a/b": every segment sound, no trailing slash.
bool is_path(std::string_view path) {
  while (!path.empty()) {
    if (path.front() != '/') return false;
    path.remove_prefix(1);
    const size_t end = std::min(path.find('/'), path.size());
    if (!is_segment(path.substr(0, end))) return false;
    path.remove_prefix(end);
  }
  return true;
}

// The ns and the sa of "/ns/NS/sa/NAME"; both empty when the path is of another shape.
struct WorkloadPath {
  std::string_view ns, name;
};

WorkloadPath split_workload(std::string_view path) {
  constexpr std::string_view kNs = "/ns/", kSa = "/sa/";
  if (!path.starts_with(kNs)) return {};
  path.remove_prefix(kNs.size());
  const size_t slash = path.find('/');
  if (slash == path.npos) return {};
  const std::string_view ns = path.substr(0, slash);
  path.remove_prefix(slash);
  if (!path.starts_with(kSa)) return {};
  path.remove_prefix(kSa.size());
  if (path.empty() || path.contains('/')) return {};
  return {ns, path};
}

// For error texts: what a peer sent is shown only in part and only if it is printable.
std::string shown(std::string_view text) {
  std::string out = "\"";
  for (const char c : text.substr(0, 100)) out += c >= 0x20 && c < 0x7f ? c : '?';
  return out + (text.size() > 100 ? "…\"" : "\"");
}

}  // namespace

Result<SpiffeId> SpiffeId::parse(std::string_view uri) {
  if (uri.size() > kMaxUri) {
    return fail(ErrorKind::kInvalid, "SPIFFE ID " + shown(uri) + " is longer than 2048 bytes");
  }
  if (!uri.starts_with(kScheme)) {
    return fail(ErrorKind::kInvalid, "SPIFFE ID " + shown(uri) + " does not begin with spiffe://");
  }
  const std::string_view rest = uri.substr(kScheme.size());
  const size_t slash = std::min(rest.find('/'), rest.size());
  if (!is_trust_domain(rest.substr(0, slash))) {
    return fail(ErrorKind::kInvalid,
                "SPIFFE ID " + shown(uri) + ": the trust domain must be 1-255 of [a-z0-9._-]");
  }
  if (!is_path(rest.substr(slash))) {
    return fail(ErrorKind::kInvalid,
                "SPIFFE ID " + shown(uri) +
                    ": path segments must be of [A-Za-z0-9._-], none empty, \".\" or \"..\"");
  }
  SpiffeId id;
  id.uri_ = uri;
  return id;
}

Result<SpiffeId> SpiffeId::for_workload(std::string_view trust_domain, std::string_view ns,
                                        std::string_view name) {
  if (!is_segment(ns) || !is_segment(name)) {
    return fail(ErrorKind::kInvalid, "workload identity: namespace " + shown(ns) + " and name " +
                                         shown(name) + " must each be one of [A-Za-z0-9._-]+");
  }
  std::string uri(kScheme);
  uri.append(trust_domain).append("/ns/").append(ns).append("/sa/").append(name);
  return parse(uri);
}

Result<SpiffeId> SpiffeId::for_machine(std::string_view trust_domain, std::string_view machine) {
  if (!is_segment(machine)) {
    return fail(ErrorKind::kInvalid,
                "machine name " + shown(machine) + " must be of [A-Za-z0-9._-]");
  }
  std::string uri(kScheme);
  uri.append(trust_domain).append("/machine/").append(machine);
  return parse(uri);
}

Result<SpiffeId> SpiffeId::for_server(std::string_view trust_domain) {
  std::string uri(kScheme);
  uri.append(trust_domain).append("/server");
  return parse(uri);
}

std::string_view SpiffeId::trust_domain() const {
  if (uri_.empty()) return {};
  const std::string_view rest = std::string_view(uri_).substr(kScheme.size());
  return rest.substr(0, std::min(rest.find('/'), rest.size()));
}

std::string_view SpiffeId::path() const {
  if (uri_.empty()) return {};
  return std::string_view(uri_).substr(kScheme.size() + trust_domain().size());
}

std::string_view SpiffeId::workload_namespace() const { return split_workload(path()).ns; }
std::string_view SpiffeId::workload_name() const { return split_workload(path()).name; }

bool SpiffeId::is_machine() const {
  constexpr std::string_view kMachine = "/machine/";
  const std::string_view path = this->path();
  return path.starts_with(kMachine) && !path.substr(kMachine.size()).contains('/');
}

bool SpiffeId::is_server() const { return path() == "/server"; }

Result<ServiceName> ServiceName::parse(std::string_view text, std::string_view default_ns) {
  const std::string_view whole = text;
  if (text.ends_with('.')) text.remove_suffix(1);
  constexpr std::string_view kZone = ".svc.mesh";
  const bool qualified = text.ends_with(kZone);
  if (qualified) text.remove_suffix(kZone.size());

  const size_t dot = text.find('.');
  ServiceName name;
  name.name = text.substr(0, dot);
  if (dot != text.npos) {
    name.ns = text.substr(dot + 1);
  } else if (!qualified) {  // "cart.svc.mesh" lacks its namespace; "cart" alone has the default one
    name.ns = default_ns;
  }
  if (!is_dns_label(name.name) || !is_dns_label(name.ns)) {
    return fail(ErrorKind::kInvalid, shown(whole) +
                                         " is no service name; write NAME, NAME.NAMESPACE or "
                                         "NAME.NAMESPACE.svc.mesh with labels of 1-63 [a-z0-9-]");
  }
  return name;
}

bool is_dns_label(std::string_view text) {
  return !text.empty() && text.size() <= 63 && text.front() != '-' && text.back() != '-' &&
         std::ranges::all_of(text, [](char c) { return is_lower_or_digit(c) || c == '-'; });
}

bool is_dns_subdomain(std::string_view text) {
  if (text.empty() || text.size() > 253) return false;
  while (true) {
    const size_t dot = text.find('.');
    if (!is_dns_label(text.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

}  // namespace weft::model
