// The other alphabet's decoder does the work: only two letters differ.
#include "control/base64.h"

#include "xds/join_token.h"

namespace weft::control {

Result<std::string> decode_base64(std::string_view text) {
  std::string url;
  for (const char c : text) {
    if (c == '\n' || c == '\r' || c == ' ') continue;
    url += c == '+' ? '-' : c == '/' ? '_' : c;
  }
  while (url.ends_with('=')) url.pop_back();
  return xds::base64url_decode(url);
}

}  // namespace weft::control
