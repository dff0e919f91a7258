// The hop's server name is short and has one spelling only: what parses is what we would have written.
// Costs one small allocation on either side of a handshake.
#include "proxy/sni.h"

#include <charconv>

#include "model/identity.h"

namespace weft::proxy {

std::string hop_server_name(std::string_view instance, uint16_t app_port) {
  std::string name = "p" + std::to_string(app_port);
  name += '.';
  name += instance;
  name += ".mesh";
  return name;
}

std::optional<HopName> parse_hop_server_name(std::string_view server_name) {
  constexpr std::string_view kSuffix = ".mesh";
  if (!server_name.starts_with('p') || !server_name.ends_with(kSuffix)) return std::nullopt;
  std::string_view middle = server_name.substr(1, server_name.size() - 1 - kSuffix.size());
  size_t dot = middle.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  std::string_view digits = middle.substr(0, dot);
  std::string_view instance = middle.substr(dot + 1);
  if (digits.starts_with('0') || !model::is_dns_label(instance)) return std::nullopt;

  HopName name;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), name.app_port);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  name.instance = instance;
  return name;
}

}  // namespace weft::proxy
