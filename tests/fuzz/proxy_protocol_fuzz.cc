// PROXY headers: a reader comes to an answer within its bound, the same however the input was cut; what it
// takes it can write again, and TLVs end where the header does.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "proxy/hop_preface.h"
#include "wire/proxy_protocol.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kLongest = 4096;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto whole = weft::wire::read_proxy_header(bytes, kLongest);
  if (whole && !*whole && size >= kLongest) std::abort();
  for (size_t cut = 0; cut < size && cut <= 256; ++cut) {
    const auto part = weft::wire::read_proxy_header(bytes.substr(0, cut), kLongest);
    if (!part && whole) std::abort();
    if (part && *part && (!whole || !*whole || (*whole)->size != (*part)->size)) std::abort();
  }
  if (whole && *whole) {
    const weft::wire::ProxyHeader& header = **whole;
    if (header.size == 0 || header.size > size) std::abort();
    if (header.version == 1 && header.size > weft::wire::kProxyLine) std::abort();
    if (header.source.has_value() != header.destination.has_value()) std::abort();
    size_t left = header.tlvs.size();
    for (std::string_view tlvs = header.tlvs; const auto tlv = weft::wire::take_proxy_tlv(tlvs);) {
      left -= 3 + tlv->value.size();
    }
    if (left != 0) std::abort();
    if (header.source && header.source->ip.is_v4() == header.destination->ip.is_v4()) {
      const std::string again =
          weft::wire::proxy_header_v2(*header.source, *header.destination, header.tlvs);
      const auto read = weft::wire::read_proxy_header(again, 64 * 1024);
      // A checksum was made for the other form of mapped addresses.
      if (read && (!*read || (*read)->source != header.source)) std::abort();
    }
  }
  (void)weft::proxy::decode_hop_preface(bytes);
  return 0;
}
