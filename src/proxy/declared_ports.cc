// A change removes before it adds. An address becomes known after its ports are there and unknown before
// they go, so that a change cut in two by its size never refuses a port that is declared: port 0 sorts
// first, removals are written from the front and additions from the back.
#include "proxy/declared_ports.h"

#include <algorithm>
#include <iterator>

namespace weft::proxy {
namespace {

using Places = std::vector<SocketAddress>;

void append_line(std::string& text, char sign, const SocketAddress& place) {
  text += sign;
  text += place.ip.to_string();
  if (place.port != 0) text += " " + std::to_string(place.port);
  text += '\n';
}

Places difference(const Places& of, const Places& without) {
  Places left;
  std::set_difference(of.begin(), of.end(), without.begin(), without.end(),
                      std::back_inserter(left));
  return left;
}

}  // namespace

void DeclaredPorts::want(const NameIndex& index) {
  wanted_.clear();
  for (const auto& [name, entry] : index.by_name) {
    if (entry.headless || entry.ports.empty()) continue;
    for (const IpAddress& address : {entry.vip4, entry.vip6}) {
      if (address.is_unspecified()) continue;
      wanted_.push_back({address, 0});
      for (uint16_t port : entry.ports) wanted_.push_back({address, port});
    }
  }
  std::sort(wanted_.begin(), wanted_.end());
  wanted_.erase(std::unique(wanted_.begin(), wanted_.end()), wanted_.end());
}

std::string DeclaredPorts::next() {
  if (under_way_ || settled()) return "";
  std::string text = cleared_ ? "" : "clear\n";
  cleared_ = true;
  const Places gone = difference(told_, wanted_), added = difference(wanted_, told_);
  Places removed_now, added_now;
  for (auto at = gone.begin(); at != gone.end() && text.size() < kMostBytes; ++at) {
    append_line(text, '-', *at);
    removed_now.push_back(*at);
  }
  for (auto at = added.rbegin(); at != added.rend() && text.size() < kMostBytes; ++at) {
    append_line(text, '+', *at);
    added_now.push_back(*at);
  }
  told_ = difference(told_, removed_now);
  told_.insert(told_.end(), added_now.begin(), added_now.end());
  std::sort(told_.begin(), told_.end());
  under_way_ = true;
  return text;
}

}  // namespace weft::proxy
