// ClientHellos built by hand, for tests.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace weft::wire {

inline std::string u16(size_t n) { return {static_cast<char>(n >> 8), static_cast<char>(n)}; }

inline std::string extension(size_t type, const std::string& content) {
  return u16(type) + u16(content.size()) + content;
}

// The server_name extension, RFC 6066 section 3.
inline std::string sni(const std::string& name) {
  const std::string entry = std::string(1, '\0') + u16(name.size()) + name;
  return extension(0, u16(entry.size()) + entry);
}

// The handshake message with these extensions (already encoded), header included.
inline std::string hello_message(const std::string& extensions) {
  std::string body = "\x03\x03" + std::string(32, 'r');
  body += std::string("\x04sess", 5);
  body += u16(4) + std::string("\x13\x02\x13\x01", 4);
  body += std::string("\x01\x00", 2);
  body += u16(extensions.size()) + extensions;
  return "\x01" + std::string(1, '\0') + u16(body.size()) + body;
}

inline std::string handshake_record(std::string_view fragment) {
  return std::string("\x16\x03\x01", 3) + u16(fragment.size()) + std::string(fragment);
}

// The message in records of at most `fragment` bytes.
inline std::string in_records(std::string_view message, size_t fragment) {
  std::string out;
  for (; !message.empty(); message.remove_prefix(std::min(fragment, message.size()))) {
    out += handshake_record(message.substr(0, fragment));
  }
  return out;
}

inline std::string client_hello(const std::string& extensions) {
  return handshake_record(hello_message(extensions));
}

}  // namespace weft::wire
