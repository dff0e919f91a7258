// Aligned columns for terminals. Widths count characters, not bytes; the last column is not padded.
#pragma once

#include <string>
#include <vector>

namespace weft::app {

class Table {
 public:
  explicit Table(std::vector<std::string> columns) { rows_.push_back(std::move(columns)); }
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  bool empty() const { return rows_.size() == 1; }
  // Every line begins with `margin`.
  std::string to_string(const std::string& margin = "") const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace weft::app
