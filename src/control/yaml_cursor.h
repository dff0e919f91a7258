// A place in a text and the few ways a YAML reader moves it. Line breaks are "\n" only (the reader turns
// CR LF into LF first).
//
// Failing is sticky: the first stop() is kept, and from then on the cursor and all its copies stand at the
// end of the text. So a reader need not ask after every step: its loops end as they do at the end, what
// it made is thrown away, and the first problem is reported.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "control/yaml.h"

namespace weft::control {

// Owned by the reader, shared by its cursors.
struct YamlFailure {
  bool failed = false;
  Position at;
  std::string what;
  std::string hint;
};

class YamlCursor {
 public:
  YamlCursor(std::string_view text, YamlFailure& failure) : text_(text), failure_(&failure) {}

  bool end() const { return pos_ >= text_.size() || failure_->failed; }
  // The byte here or `ahead` of here; '\0' beyond the end (the text itself holds none).
  char peek(size_t ahead = 0) const {
    return pos_ + ahead < text_.size() && !failure_->failed ? text_[pos_ + ahead] : '\0';
  }
  // Behind a blank or at a line's start: where a comment may begin.
  bool after_blank() const {
    const char before = pos_ > 0 ? text_[pos_ - 1] : '\n';
    return before == ' ' || before == '\t' || before == '\n';
  }
  bool at_break() const { return end() || peek() == '\n'; }
  bool at_blank() const { return peek() == ' ' || peek() == '\t'; }
  // Is the byte `ahead` of here blank, a break or the end?
  bool blank_or_break(size_t ahead) const {
    const char c = peek(ahead);
    return c == ' ' || c == '\t' || c == '\n' || c == '\0';
  }
  // Bytes since the line's start: what indentation counts.
  int column() const { return static_cast<int>(pos_ - line_start_); }
  size_t offset() const { return pos_; }
  std::string_view since(size_t offset) const { return text_.substr(offset, pos_ - offset); }
  uint32_t line() const { return line_; }

  void step() {
    if (end()) return;
    if (text_[pos_++] == '\n') {
      ++line_;
      line_start_ = pos_;
    }
  }
  void step(size_t count) {
    while (count-- > 0) step();
  }
  void skip_blanks() {
    while (at_blank()) step();
  }
  // Spaces from here on.
  int spaces() const {
    size_t count = 0;
    while (peek(count) == ' ') ++count;
    return static_cast<int>(count);
  }
  // "---" or "..." at the start of a line, followed by a blank or a break.
  bool at_document_mark() const {
    if (column() != 0 || end()) return false;
    const std::string_view three = text_.substr(pos_, 3);
    return (three == "---" || three == "...") && blank_or_break(3);
  }

  // Line and column, the latter in characters. Amortised linear: remembers where it counted last.
  Position here() const {
    if (counted_line_ != line_ || counted_to_ > pos_) {
      counted_line_ = line_;
      counted_to_ = line_start_;
      characters_ = 0;
    }
    for (; counted_to_ < pos_; ++counted_to_) {
      characters_ += (static_cast<unsigned char>(text_[counted_to_]) & 0xC0) != 0x80;
    }
    return {line_, characters_ + 1};
  }

  void stop(std::string what, std::string hint = "") const {
    if (!failure_->failed) stop_at(here(), std::move(what), std::move(hint));
  }
  void stop_at(Position at, std::string what, std::string hint = "") const {
    if (!failure_->failed) *failure_ = {true, at, std::move(what), std::move(hint)};
  }

 private:
  std::string_view text_;
  YamlFailure* failure_;
  size_t pos_ = 0;
  size_t line_start_ = 0;
  uint32_t line_ = 1;
  mutable uint32_t counted_line_ = 0;
  mutable size_t counted_to_ = 0;
  mutable uint32_t characters_ = 0;
};

}  // namespace weft::control
