// Parsing is strict where the specification lets a forger gain something (zero ids, upper case) and
// lenient only for versions of the future, as section 4 asks.
#include "telemetry/trace_context.h"

#include <algorithm>
#include <span>

#include "base/text.h"

namespace weft::telemetry {

namespace {

constexpr size_t kHeaderSize = 55;

bool read_hex(std::string_view text, std::span<uint8_t> out) {
  for (size_t i = 0; i < out.size(); ++i) {
    uint8_t byte = 0;
    for (char c : {text[2 * i], text[2 * i + 1]}) {
      byte = static_cast<uint8_t>(byte << 4);
      if (c >= '0' && c <= '9') {
        byte |= static_cast<uint8_t>(c - '0');
      } else if (c >= 'a' && c <= 'f') {
        byte |= static_cast<uint8_t>(c - 'a' + 10);
      } else {
        return false;
      }
    }
    out[i] = byte;
  }
  return true;
}

bool all_zero(std::span<const uint8_t> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](uint8_t b) { return b == 0; });
}

void put_hex(std::span<const uint8_t> bytes, char* to) {
  constexpr char kDigits[] = "0123456789abcdef";
  for (uint8_t byte : bytes) {
    *to++ = kDigits[byte >> 4];
    *to++ = kDigits[byte & 15];
  }
}

std::string hex_of(std::span<const uint8_t> bytes) {
  std::string out(bytes.size() * 2, '0');
  put_hex(bytes, out.data());
  return out;
}

void fill(std::span<uint8_t> bytes, Random& random) {
  do {
    for (size_t i = 0; i < bytes.size(); i += 8) {
      uint64_t word = random.next();
      for (size_t j = i; j < std::min(i + 8, bytes.size()); ++j, word >>= 8) {
        bytes[j] = static_cast<uint8_t>(word);
      }
    }
  } while (all_zero(bytes));
}

}  // namespace

std::string TraceContext::trace_id_hex() const { return hex_of(trace_id); }
std::string TraceContext::parent_id_hex() const { return hex_of(parent_id); }

std::string TraceContext::to_header() const {
  std::string out(kHeaderSize, '-');
  out[0] = out[1] = '0';
  put_hex(trace_id, out.data() + 3);
  put_hex(parent_id, out.data() + 36);
  put_hex({&flags, 1}, out.data() + 53);
  return out;
}

std::optional<TraceContext> parse_traceparent(std::string_view header) {
  header = trim(header);
  if (header.size() < kHeaderSize) return std::nullopt;
  if (header[2] != '-' || header[35] != '-' || header[52] != '-') return std::nullopt;
  uint8_t version = 0;
  TraceContext context;
  if (!read_hex(header.substr(0, 2), {&version, 1}) || version == 0xff) return std::nullopt;
  if (!read_hex(header.substr(3, 32), context.trace_id)) return std::nullopt;
  if (!read_hex(header.substr(36, 16), context.parent_id)) return std::nullopt;
  if (!read_hex(header.substr(53, 2), {&context.flags, 1})) return std::nullopt;
  if (all_zero(context.trace_id) || all_zero(context.parent_id)) return std::nullopt;
  if (header.size() > kHeaderSize && (version == 0 || header[kHeaderSize] != '-')) {
    return std::nullopt;
  }
  return context;
}

TraceContext continue_trace(const TraceContext& received, Random& random) {
  TraceContext own = received;
  own.flags &= 0x3;
  do {
    fill(own.parent_id, random);
  } while (own.parent_id == received.parent_id);
  return own;
}

TraceContext start_trace(bool sampled, Random& random) {
  TraceContext context;
  fill(context.trace_id, random);
  fill(context.parent_id, random);
  context.flags = static_cast<uint8_t>(2 | (sampled ? 1 : 0));
  return context;
}

}  // namespace weft::telemetry
