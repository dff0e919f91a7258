// tracestate is forwarded as it came, line for line, unless something in it must go: checking costs one
// pass over its bytes and no allocation.
#include "telemetry/trace_headers.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"

namespace weft::telemetry {
namespace {

constexpr std::string_view kParent = "traceparent", kState = "tracestate";
constexpr size_t kMaxMembers = 32, kMaxKey = 256, kMaxValue = 256;

bool is_key_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || std::string_view("_-*/@").contains(c);
}

bool is_value_char(char c) { return c >= 0x20 && c <= 0x7e && c != ',' && c != '='; }

bool is_member(std::string_view member) {
  const auto pair = split_once(member, '=');
  if (!pair) return false;
  const auto [key, value] = *pair;
  const bool begins = !key.empty() && key[0] != '_' && key[0] != '-' && key[0] != '*' &&
                      key[0] != '/' && key[0] != '@';
  return begins && key.size() <= kMaxKey && std::ranges::all_of(key, is_key_char) &&
         !value.empty() && value.size() <= kMaxValue && std::ranges::all_of(value, is_value_char);
}

// Without the space and tab that may stand around a member.
std::string_view trim_member(std::string_view member) {
  constexpr std::string_view kBlank = " \t";
  const size_t begin = member.find_first_not_of(kBlank);
  if (begin == member.npos) return {};
  return member.substr(begin, member.find_last_not_of(kBlank) - begin + 1);
}

// Calls `visit` for each member of all tracestate lines; empty members are allowed and skipped.
template <typename Visit>
void each_member(const wire::Fields& fields, Visit&& visit) {
  for (const auto& line : fields) {
    if (!wire::equal_ignoring_case(line.name, kState)) continue;
    std::string_view rest = line.value;
    while (true) {
      const size_t comma = rest.find(',');
      const std::string_view member = trim_member(rest.substr(0, comma));
      if (!member.empty()) visit(member);
      if (comma == rest.npos) break;
      rest.remove_prefix(comma + 1);
    }
  }
}

void clean_tracestate(wire::Fields& fields) {
  size_t members = 0;
  bool sound = true;
  each_member(fields, [&](std::string_view member) {
    ++members;
    sound = sound && is_member(member);
  });
  if (sound && members <= kMaxMembers) return;
  std::string kept;
  size_t count = 0;
  each_member(fields, [&](std::string_view member) {
    if (!is_member(member) || ++count > kMaxMembers) return;
    if (!kept.empty()) kept += ',';
    kept += member;
  });
  if (kept.empty()) {
    fields.remove(kState);
  } else {
    fields.set(kState, kept);
  }
}

}  // namespace

TraceContext participate(wire::Fields& fields, Random& random) {
  std::optional<TraceContext> received;
  const auto header = fields.get(kParent);
  if (header && fields.count(kParent) == 1) received = parse_traceparent(*header);
  if (received) {
    clean_tracestate(fields);
  } else {
    fields.remove(kState);
  }
  const TraceContext own =
      received ? continue_trace(*received, random) : start_trace(/*sampled=*/true, random);
  fields.set(kParent, own.to_header());
  return own;
}

}  // namespace weft::telemetry
