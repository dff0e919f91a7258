// Picture: lines over an axis as an SVG that reads on light and dark pages. The figures behind the lines
// are in it as text, so that a test can tell whether the picture is still true.
#pragma once

#include <string>
#include <vector>

namespace weft::lab {

struct Point {
  double x = 0, y = 0;
};

struct Line {
  std::string name;
  std::vector<Point> points;
};

// Something happened at x.
struct Mark {
  double x = 0;
  std::string text;
};

struct Picture {
  std::string title, x, y;  // what it shows, and the axes' names with units
  std::vector<Line> lines;  // at most six
  std::vector<Mark> marks = {};
  bool log_y = false;

  std::string svg() const;
};

// The lines that are in an SVG made by svg().
std::vector<Line> lines_in(const std::string& svg);

// Compares the picture with docs/lab/NAME.svg; with WEFT_LAB_DRAW set in the environment (`make lab`) it
// writes it instead. One draw of chance more on the request path moves every figure a little, so the
// committed lines may lie up to a tenth of the picture's height off, on average over a line.
// Empty: it is true.
std::string check_picture(const std::string& name, const Picture& picture);

}  // namespace weft::lab
