// Field sections of HTTP/2 ↔ heads (RFC 9113 §8.3): collects decoded lines into a head under limits,
// checks what the framing library leaves open, and lists a head as lines to send. Pure; used by the
// session only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "wire/message.h"

namespace weft::wire {

// One field section as it comes in.
class Http2Section {
 public:
  Http2Section(size_t max_bytes, size_t max_lines) : max_bytes_(max_bytes), max_lines_(max_lines) {}

  // Keeps the line unless the section has become too large.
  void add(std::string_view name, std::string_view value);
  bool too_large() const { return too_large_; }

  // False: malformed (RFC 9113 §8.1.1).
  bool take_request(RequestHead& head, bool end);
  bool take_response(ResponseHead& head, bool end);
  Fields take_trailers() { return std::move(fields_); }
  void clear();

 private:
  void add_pseudo(std::string_view name, std::string_view value);

  size_t max_bytes_;
  size_t max_lines_;
  size_t bytes_ = 0;
  bool too_large_ = false;
  std::string method_, scheme_, authority_, path_;
  int status_ = 0;
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
