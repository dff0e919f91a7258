// Field sections of HTTP/2 ↔ heads (RFC 9113 §8.2, §8.3, §8.5, RFC 8441): collects decoded lines into a head
// under limits, finds what is malformed, and lists a head as lines to send. Pure; used by the session only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "wire/message.h"

namespace weft::wire {

// One field section as it comes in; used again for the next one.
class Http2Section {
 public:
  enum class Kind : uint8_t { kRequest, kResponse, kTrailers };

  Http2Section(size_t max_bytes, size_t max_lines) : max_bytes_(max_bytes), max_lines_(max_lines) {}

  void begin(Kind kind);
  // Keeps the line unless the section is malformed or has become too large. `static_name` is the name's
  // index in HPACK's static table, if it came so.
  void add(std::string_view name, std::string_view value, uint8_t static_name = 0);
  bool too_large() const { return too_large_; }

  // False: malformed (RFC 9113 §8.1.1). `end`: no content follows.
  bool take_request(RequestHead& head, bool end, bool extended_connect = false);
  bool take_response(ResponseHead& head, bool end, bool to_connect = false);
  bool take_trailers(Fields& trailers);

 private:
  enum Pseudo : uint8_t {
    kMethod = 1,
    kScheme = 2,
    kAuthority = 4,
    kPath = 8,
    kProtocol = 16,
    kStatus = 32,
  };
  void add_pseudo(std::string_view name, std::string_view value);
  bool take_pseudo(Pseudo which, std::string& into, std::string_view value);
  bool has(uint8_t pseudo) const { return (present_ & pseudo) == pseudo; }
  bool check_target(bool extended_connect) const;
  bool settle_authority();
  void join_cookies();

  size_t max_bytes_;
  size_t max_lines_;
  size_t bytes_ = 0;
  Kind kind_ = Kind::kRequest;
  bool too_large_ = false;
  bool malformed_ = false;
  uint8_t present_ = 0;
  std::string method_, scheme_, authority_, path_, protocol_;
  int status_ = 0;
  size_t cookies_ = 0;
  Fields fields_;
};

// Lines to send, in order, pseudo-header fields first. Views into the head and into `scratch`, valid
// until either changes. Connection-specific fields are left out and Content-Length follows `length`.
struct Http2Line {
  std::string_view name;
  std::string_view value;
};
void list_request(const RequestHead& head, std::vector<Http2Line>& lines, std::string& scratch);
void list_response(const ResponseHead& head, std::vector<Http2Line>& lines, std::string& scratch);
void list_trailers(const Fields& trailers, std::vector<Http2Line>& lines);

}  // namespace weft::wire
