// Small things everyone does with text. All byte-wise and ASCII-only unless said otherwise; nothing
// depends on a locale. Pure functions, any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace weft {

// Pieces between separators, empty ones included: split("a,,b", ',') = {"a", "", "b"}; "" = {""}.
// The pieces look into `text`.
std::vector<std::string_view> split(std::string_view text, char separator);
// At the first separator; nothing when there is none.
std::optional<std::pair<std::string_view, std::string_view>> split_once(std::string_view text,
                                                                        char separator);
// Without spaces, tabs, CR and LF at both ends.
std::string_view trim(std::string_view text);
std::string join(std::span<const std::string> pieces, std::string_view separator);

// The whole text must be a decimal number that fits: no sign, no spaces.
std::optional<uint64_t> parse_u64(std::string_view text);
std::optional<uint16_t> parse_port(std::string_view text);  // 1-65535

// "1h30m", "250ms", "10s", "1.5s": Gateway API durations (GEP-2257: h, m, s, ms) with fractions.
Result<int64_t> parse_duration_ns(std::string_view text);

std::string to_hex(std::string_view bytes);  // lower case
std::optional<std::string> from_hex(std::string_view text);

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
std::string to_lower(std::string_view text);
bool equals_ignoring_case(std::string_view a, std::string_view b);

// A JSON string with its quotes (RFC 8259 section 7). Bytes that are no valid UTF-8 become U+FFFD, so the
// output is always valid JSON.
void append_json_string(std::string& out, std::string_view text);

// One line for people: control characters and bytes that are no valid UTF-8 as \n, \t, \x1b.
void append_escaped(std::string& out, std::string_view text);

// Length of the valid UTF-8 sequence at the start of `text` (RFC 3629), 0 when there is none.
size_t utf8_sequence(std::string_view text);

// Insertions, deletions, replacements and swaps of neighbours that turn a into b.
size_t edit_distance(std::string_view a, std::string_view b);
// For "did you mean": the candidate nearest to `word`, nothing when none is near.
std::optional<std::string_view> nearest(std::string_view word,
                                        std::span<const std::string_view> candidates);

}  // namespace weft
