// Folding is the same for quoted and plain texts: blanks around a line break vanish, one break is a
// space, each further one a line feed. Blocks keep their lines, or fold those that are not indented more.
#include "control/yaml_text.h"

#include <fmt/format.h>

#include <algorithm>

namespace weft::control {
namespace {

constexpr std::string_view kFlowMarks = ",[]{}";

bool flow_mark(char c) { return c != '\0' && kFlowMarks.find(c) != std::string_view::npos; }

void trim_blanks(std::string& text, size_t from = 0) {
  while (text.size() > from && (text.back() == ' ' || text.back() == '\t')) text.pop_back();
}

// At a line break inside a quoted text: goes to the next line with text; returns the breaks passed.
size_t next_quoted_line(YamlCursor& cursor, int parent) {
  size_t breaks = 0;
  while (cursor.peek() == '\n') {
    cursor.step();
    ++breaks;
    if (cursor.at_document_mark()) cursor.stop("a document mark inside a quoted text");
    const int indent = cursor.spaces();
    cursor.skip_blanks();
    if (!cursor.at_break() && indent <= parent) {
      cursor.stop("a quoted text goes on with too little indentation", "indent its further lines");
    }
  }
  return breaks;
}

void fold(std::string& text, size_t breaks) {
  if (breaks == 1) {
    text += ' ';
  } else {
    text.append(breaks - 1, '\n');
  }
}

void append_utf8(std::string& out, uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | (c >> 6));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | (c >> 12));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | (c >> 18));
    out += static_cast<char>(0x80 | ((c >> 12) & 0x3F));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  }
}

uint32_t read_hex(YamlCursor& cursor, size_t digits) {
  uint32_t value = 0;
  for (size_t i = 0; i < digits; ++i) {
    const char c = cursor.peek();
    const bool number = c >= '0' && c <= '9';
    const char low = static_cast<char>(c | 0x20);
    if (!number && (low < 'a' || low > 'f')) {
      cursor.stop("an escape lacks a hexadecimal digit");
      return 0;
    }
    value = value * 16 + static_cast<uint32_t>(number ? c - '0' : low - 'a' + 10);
    cursor.step();
  }
  return value;
}

// Behind the letter of \x, \u or \U. JSON writes characters beyond U+FFFF as two \u escapes.
void read_unicode(YamlCursor& cursor, size_t digits, std::string& out) {
  uint32_t c = read_hex(cursor, digits);
  if (c >= 0xD800 && c <= 0xDBFF && cursor.peek() == '\\' && cursor.peek(1) == 'u') {
    cursor.step(2);
    const uint32_t low = read_hex(cursor, 4);
    if (low < 0xDC00 || low > 0xDFFF) cursor.stop("half a surrogate pair");
    c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
  }
  if (c == 0 || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) {
    cursor.stop(fmt::format("U+{:04X} is no character a text may hold", c));
    return;
  }
  append_utf8(out, c);
}

void read_escape(YamlCursor& cursor, std::string& out) {
  static constexpr std::string_view kLetters = "abtnvfre \"/\\\t";
  static constexpr std::string_view kMeant = "\a\b\t\n\v\f\r\x1b \"/\\\t";
  const char c = cursor.peek();
  if (const size_t at = kLetters.find(c); c != '\0' && at != std::string_view::npos) {
    cursor.step();
    out += kMeant[at];
    return;
  }
  switch (c) {
    case 'N': cursor.step(); return append_utf8(out, 0x85);
    case '_': cursor.step(); return append_utf8(out, 0xA0);
    case 'L': cursor.step(); return append_utf8(out, 0x2028);
    case 'P': cursor.step(); return append_utf8(out, 0x2029);
    case 'x': cursor.step(); return read_unicode(cursor, 2, out);
    case 'u': cursor.step(); return read_unicode(cursor, 4, out);
    case 'U': cursor.step(); return read_unicode(cursor, 8, out);
    default: cursor.stop("an unknown escape", "write \\\\ for a backslash, or use single quotes");
  }
}

struct BlockHeader {
  bool folded = false;
  char chomp = 0;  // '-', '+' or neither
  int indent = 0;  // 0 = by the first line
};

BlockHeader read_block_header(YamlCursor& cursor) {
  BlockHeader header;
  header.folded = cursor.peek() == '>';
  cursor.step();
  while (!cursor.at_blank() && !cursor.at_break()) {
    const char c = cursor.peek();
    if ((c == '+' || c == '-') && header.chomp == 0) {
      header.chomp = c;
    } else if (c >= '1' && c <= '9' && header.indent == 0) {
      header.indent = c - '0';
    } else {
      cursor.stop("after | or > only an indentation (1-9) and - or + may follow");
    }
    cursor.step();
  }
  const bool blank = cursor.at_blank();
  cursor.skip_blanks();
  if (cursor.peek() == '#' && blank) {
    while (!cursor.at_break()) cursor.step();
  }
  if (!cursor.at_break()) cursor.stop("a block's text begins on the next line");
  if (!cursor.end()) cursor.step();
  return header;
}

// Passes empty lines before a block's text; returns how many, and through `indent` that of the text.
size_t find_block_indent(YamlCursor& cursor, int parent, int& indent) {
  size_t breaks = 0;
  int widest = 0;
  YamlCursor ahead = cursor;
  while (!ahead.end()) {
    const int spaces = ahead.spaces();
    ahead.step(static_cast<size_t>(spaces));
    if (ahead.peek() != '\n') {
      if (ahead.end()) widest = std::max(widest, spaces);
      if (ahead.end() || spaces <= parent) break;
      if (widest > spaces) {
        ahead.stop("an empty line before a block's text is indented more than the text",
                   "give the indentation: |2");
      }
      indent = spaces;
      break;
    }
    widest = std::max(widest, spaces);
    ahead.step();
    ++breaks;
    cursor = ahead;
  }
  if (indent == 0) indent = std::max(widest, parent + 1);
  return breaks;
}

}  // namespace

std::string read_double_quoted(YamlCursor& cursor, int parent) {
  const Position start = cursor.here();
  std::string out;
  size_t keep = 0;  // blanks up to here were escaped and stay
  cursor.step();
  while (cursor.peek() != '"') {
    if (cursor.end()) {
      cursor.stop_at(start, "this quoted text does not end", "close it with \"");
      return out;
    }
    if (cursor.peek() == '\n') {
      trim_blanks(out, keep);
      fold(out, next_quoted_line(cursor, parent));
      keep = out.size();
    } else if (cursor.peek() == '\\' && cursor.peek(1) == '\n') {
      cursor.step();
      const size_t breaks = next_quoted_line(cursor, parent);
      out.append(breaks - 1, '\n');
      keep = out.size();
    } else if (cursor.peek() == '\\') {
      cursor.step();
      read_escape(cursor, out);
      keep = out.size();
    } else {
      out += cursor.peek();
      cursor.step();
    }
  }
  cursor.step();
  return out;
}

std::string read_single_quoted(YamlCursor& cursor, int parent) {
  const Position start = cursor.here();
  std::string out;
  cursor.step();
  while (true) {
    if (cursor.end()) {
      cursor.stop_at(start, "this quoted text does not end", "close it with '");
      return out;
    }
    if (cursor.peek() == '\'') {
      cursor.step();
      if (cursor.peek() != '\'') return out;
      out += '\'';
      cursor.step();
    } else if (cursor.peek() == '\n') {
      trim_blanks(out);
      fold(out, next_quoted_line(cursor, parent));
    } else {
      out += cursor.peek();
      cursor.step();
    }
  }
}

bool begins_plain(const YamlCursor& cursor, bool flow) {
  const char c = cursor.peek();
  if (c == '-' || c == '?' || c == ':') {
    return !cursor.blank_or_break(1) && !(flow && flow_mark(cursor.peek(1)));
  }
  static constexpr std::string_view kIndicators = ",[]{}#&*!|>'\"%@`";
  return !cursor.at_blank() && !cursor.at_break() && kIndicators.find(c) == std::string_view::npos;
}

std::string read_plain_line(YamlCursor& cursor, bool flow) {
  const size_t start = cursor.offset();
  while (!cursor.at_break()) {
    const char c = cursor.peek();
    if (c == ':' && (cursor.blank_or_break(1) || (flow && flow_mark(cursor.peek(1))))) break;
    if (c == '#' && cursor.after_blank()) break;
    if (flow && flow_mark(c)) break;
    cursor.step();
  }
  std::string out(cursor.since(start));
  trim_blanks(out);
  return out;
}

void read_plain_rest(YamlCursor& cursor, int parent, bool flow, std::string& text) {
  while (cursor.peek() == '\n') {
    YamlCursor ahead = cursor;
    size_t breaks = 0;
    int indent = 0;
    while (ahead.peek() == '\n') {
      ahead.step();
      ++breaks;
      if (ahead.at_document_mark()) return;
      indent = ahead.spaces();
      ahead.skip_blanks();
    }
    if (ahead.end() || indent <= parent || ahead.peek() == '#') return;
    if (flow && (flow_mark(ahead.peek()) || ahead.peek() == ':')) return;
    cursor = ahead;
    fold(text, breaks);
    text += read_plain_line(cursor, flow);
    if (!flow && cursor.peek() == ':') {
      cursor.stop("a name with its ':' inside a text of several lines",
                  "is the line above indented too little, or its ':' missing?");
    }
  }
}

std::string read_block_text(YamlCursor& cursor, int parent) {
  const BlockHeader header = read_block_header(cursor);
  int indent = header.indent > 0 ? std::max(parent, 0) + header.indent : 0;
  std::string out;
  size_t breaks = 0;
  if (indent == 0) breaks = find_block_indent(cursor, parent, indent);
  bool previous_deeper = true;  // no folding before the first line
  bool any = false;
  while (!cursor.end()) {
    const int spaces = std::min(cursor.spaces(), indent);
    YamlCursor line = cursor;
    line.step(static_cast<size_t>(spaces));
    if (line.peek() == '\n') {  // an empty line
      line.step();
      cursor = line;
      ++breaks;
      continue;
    }
    if (line.end() && spaces > 0) {  // blanks that the text ends with are a line
      cursor = line;
      ++breaks;
    }
    if (line.peek() == '\t' && spaces < indent) {
      line.stop("a tab where a block's text is indented", "use spaces");
    }
    if (line.end() || spaces < indent || cursor.at_document_mark()) break;
    const bool deeper = line.at_blank();
    if (any && header.folded && !deeper && !previous_deeper) {
      fold(out, breaks);
    } else {
      out.append(breaks, '\n');
    }
    breaks = 0;
    any = true;
    previous_deeper = deeper;
    const size_t start = line.offset();
    while (!line.at_break()) line.step();
    out += line.since(start);
    cursor = line;
    if (!cursor.end()) cursor.step();
    breaks = 1;  // the line's own
  }
  if (header.chomp == '+') {
    out.append(breaks, '\n');
  } else if (header.chomp == 0 && any) {
    out += '\n';
  }
  return out;
}

}  // namespace weft::control
