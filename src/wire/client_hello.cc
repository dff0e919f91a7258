// First the records are walked, which tells in a few comparisons whether the message is whole; only then is
// it put together and read, strictly, because who reads it after us (the server) must not find another name
// in it. An extension that is there twice, bytes behind the last field or a name with more than one entry
// are refused, as OpenSSL and BoringSSL refuse them.
#include "wire/client_hello.h"

#include <algorithm>

#include "wire/byte_reader.h"

namespace weft::wire {
namespace {

constexpr size_t kRecordHeader = 5;
constexpr size_t kMessageHeader = 4;
constexpr size_t kMaxFragment = 1 << 14;
constexpr unsigned char kHandshake = 22, kClientHello = 1;

// The name of the server_name extension; false when it is malformed. Types other than host_name were never
// defined and cannot be passed over, because nothing says how long they are.
bool read_name(std::string_view extension, std::string& name) {
  ByteReader outer(extension);
  ByteReader list(outer.counted(2));
  const size_t type = list.number(1);
  const std::string_view text = list.counted(2);
  if (outer.ran_short() || !outer.empty() || list.ran_short() || !list.empty()) return false;
  if (type != 0 || text.empty() || text.size() > 255) return false;
  name = text;
  for (char& c : name) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
    // RFC 6066: ASCII, a host name. What is none could only mislead logs and comparisons.
    if (c <= 0x20 || c == 0x7f || static_cast<unsigned char>(c) >= 0x80) return false;
  }
  return true;
}

// The message without its header.
ClientHello read_body(std::string_view body) {
  constexpr size_t kVersionAndRandom = 2 + 32, kMaxSession = 32;
  constexpr size_t kServerName = 0;
  constexpr auto kMalformed = ClientHello::kMalformed;
  ByteReader reader(body);
  reader.take(kVersionAndRandom);
  const std::string_view session = reader.counted(1);
  const std::string_view suites = reader.counted(2);
  const std::string_view compression = reader.counted(1);
  if (reader.ran_short() || session.size() > kMaxSession || suites.size() < 2 ||
      suites.size() % 2 != 0 || compression.empty()) {
    return {kMalformed};
  }
  ClientHello hello{ClientHello::kHello};
  if (reader.empty()) return hello;  // TLS 1.0 to 1.2 may leave the extensions out
  ByteReader extensions(reader.counted(2));
  if (reader.ran_short() || !reader.empty()) return {kMalformed};
  bool named = false;
  while (!extensions.empty()) {
    const size_t type = extensions.number(2);
    const std::string_view content = extensions.counted(2);
    if (extensions.ran_short()) return {kMalformed};
    if (type != kServerName) continue;
    if (named || !read_name(content, hello.server_name)) return {kMalformed};
    named = true;
  }
  return hello;
}

// Type and version of a record, as far as they are there.
bool may_be_record(std::string_view bytes) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(bytes[i]); };
  return (bytes.empty() || byte(0) == kHandshake) && (bytes.size() < 2 || byte(1) == 3) &&
         (bytes.size() < 3 || byte(2) <= 4);
}

}  // namespace

ClientHello read_client_hello(std::string_view first_bytes) {
  const std::string_view seen = first_bytes.substr(0, kClientHelloLimit);
  const auto more = [&] {
    return ClientHello{seen.size() < kClientHelloLimit ? ClientHello::kNeedMore
                                                       : ClientHello::kTooLong};
  };
  std::string message;
  std::string_view left = seen;
  for (bool first = true;; first = false) {
    if (!may_be_record(left)) return {first ? ClientHello::kNotTls : ClientHello::kMalformed};
    if (left.size() < kRecordHeader) return more();
    ByteReader record(left);
    record.take(3);
    const size_t length = record.number(2);
    if (length == 0 || length > kMaxFragment) {
      return {first ? ClientHello::kNotTls : ClientHello::kMalformed};
    }
    const std::string_view fragment = record.take(length);
    message += fragment;
    if (!message.empty() && static_cast<unsigned char>(message[0]) != kClientHello) {
      return {first ? ClientHello::kNotTls : ClientHello::kMalformed};
    }
    if (message.size() >= kMessageHeader) {
      ByteReader header(message);
      header.take(1);
      const size_t whole = kMessageHeader + header.number(3);
      if (whole > kClientHelloLimit) return {ClientHello::kTooLong};
      // A ClientHello ends its record: nothing may follow it before the server has spoken.
      if (message.size() > whole) return {ClientHello::kMalformed};
      if (message.size() == whole && !record.ran_short()) {
        return read_body(std::string_view(message).substr(kMessageHeader));
      }
      if (message.size() == whole) return {ClientHello::kMalformed};
    }
    if (record.ran_short()) return more();
    left = record.rest();
  }
}

std::string tls_alert(TlsAlert alert) {
  constexpr char kAlert = 21, kFatal = 2;
  return {kAlert, 3, 3, 0, 2, kFatal, static_cast<char>(alert)};
}

}  // namespace weft::wire
