// Cells come from the server and, behind it, from anybody: control characters are escaped, so that no
// name can steer a terminal.
#include "app/weft/table.h"

#include <algorithm>

#include "base/text.h"

namespace weft::app {
namespace {

size_t width(const std::string& text) {
  return static_cast<size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string clean(const std::string& text) {
  std::string out;
  append_escaped(out, text);
  return out.empty() ? "-" : out;
}

}  // namespace

std::string Table::to_string(const std::string& margin) const {
  std::vector<size_t> widths;
  for (const auto& row : rows_) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(clean(row[i])));
  }
  std::string out;
  for (const auto& row : rows_) {
    out += margin;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string cell = clean(row[i]);
      out += cell;
      if (i + 1 < row.size()) out += std::string(widths[i] - width(cell) + 3, ' ');
    }
    out += '\n';
  }
  return out;
}

}  // namespace weft::app
