// Character classes and small grammar of RFC 9110 §5.6 and RFC 9112 §3, shared by the parser, the
// writer and the HTTP/2 mapping. Pure functions on octets.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace weft::wire {

// token: methods and field names.
bool is_token(std::string_view text);
// field-content: VCHAR, obs-text, SP and HTAB; no control characters.
bool is_field_value(std::string_view text);
// uri-host [ ":" port ] as a Host field may have it; empty is legal. No userinfo, port up to 65535.
bool is_host(std::string_view text);
// origin-form: "/" then path and query; percent escapes are well-formed and not %00; no fragment, no
// backslash, only visible ASCII.
bool is_origin_form(std::string_view text);
// chunk-ext of RFC 9112 §7.1.1, possibly empty.
bool is_chunk_extension(std::string_view text);
// 1*DIGIT that fits 63 bits.
std::optional<uint64_t> parse_content_length(std::string_view text);
// Without blanks and tabs around.
std::string_view trim_ows(std::string_view text);

}  // namespace weft::wire
