// A small writer on purpose: axes with round steps, poly-lines, a legend to the right. Colours are chosen to
// have contrast on white and on black; text and axes take theirs from the reader's scheme.
#include "lab/picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace weft::lab {
namespace {

constexpr double kWidth = 860, kHeight = 380, kLeft = 70, kRight = 210, kTop = 46, kBottom = 50;
constexpr double kPlotWidth = kWidth - kLeft - kRight, kPlotHeight = kHeight - kTop - kBottom;
constexpr std::array<const char*, 6> kColours = {"#3b82f6", "#e8590c", "#12a37f",
                                                 "#d6336c", "#8b5cf6", "#8d8d3f"};
constexpr double kTolerance = 0.1;

std::string escaped(const std::string& text) {
  std::string out;
  for (char c : text) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else {
      out += c;
    }
  }
  return out;
}

// 1, 2 or 5 times a power of ten, so that about `count` of them reach `extent`.
double round_step(double extent, int count) {
  const double raw = extent / count;
  const double power = std::pow(10, std::floor(std::log10(raw)));
  for (double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= raw * 0.999) return factor * power;
  }
  return 10 * power;
}

// From figures to places on the page.
struct Scale {
  double x0 = 0, x1 = 0, y0 = 0, y1 = 0;
  bool log_y = false;
  double x(double value) const { return kLeft + (value - x0) / (x1 - x0) * kPlotWidth; }
  double height_of(double value) const {
    if (!log_y) return (value - y0) / (y1 - y0);
    return std::log10(std::max(value, y0) / y0) / std::log10(y1 / y0);
  }
  double y(double value) const { return kTop + (1 - height_of(value)) * kPlotHeight; }
};

Scale scale_of(const std::vector<Line>& lines, bool log_y) {
  Scale scale;
  scale.log_y = log_y;
  double lowest = INFINITY, highest = 0;
  bool first = true;
  for (const Line& line : lines) {
    for (const Point& point : line.points) {
      scale.x0 = first ? point.x : std::min(scale.x0, point.x);
      scale.x1 = first ? point.x : std::max(scale.x1, point.x);
      if (point.y > 0) lowest = std::min(lowest, point.y);
      highest = std::max(highest, point.y);
      first = false;
    }
  }
  if (scale.x1 <= scale.x0) scale.x1 = scale.x0 + 1;
  if (highest <= 0) highest = 1;
  if (log_y) {
    scale.y0 = std::pow(10, std::floor(std::log10(std::min(lowest, highest))));
    scale.y1 = std::pow(10, std::ceil(std::log10(highest)));
    if (scale.y1 <= scale.y0) scale.y1 = scale.y0 * 10;
  } else {
    const double step = round_step(highest, 5);
    scale.y1 = std::ceil(highest / step) * step;
  }
  return scale;
}

std::string grid(const Picture& picture, const Scale& scale) {
  std::string out;
  auto horizontal = [&](double value) {
    out += fmt::format(
        "<path class=\"grid\" d=\"M{0} {1:.1f}H{2}\"/>"
        "<text x=\"{3}\" y=\"{4:.1f}\" text-anchor=\"end\">{5:g}</text>\n",
        kLeft, scale.y(value), kLeft + kPlotWidth, kLeft - 8, scale.y(value) + 4, value);
  };
  if (picture.log_y) {
    for (double value = scale.y0; value <= scale.y1 * 1.001; value *= 10) horizontal(value);
  } else {
    const double step = round_step(scale.y1, 5);
    for (int i = 0; i * step <= scale.y1 * 1.001; ++i) horizontal(i * step);
  }
  const double step = round_step(scale.x1 - scale.x0, 8);
  for (double i = std::ceil(scale.x0 / step); i * step <= scale.x1; ++i) {
    out += fmt::format("<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{:g}</text>\n",
                       scale.x(i * step), kTop + kPlotHeight + 18, i * step);
  }
  out += fmt::format("<path class=\"axis\" d=\"M{0} {1}V{2}H{3}\"/>\n", kLeft, kTop,
                     kTop + kPlotHeight, kLeft + kPlotWidth);
  out += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n",
                     kLeft + kPlotWidth / 2, kHeight - 10, escaped(picture.x));
  out += fmt::format(
      "<text transform=\"translate(16 {}) rotate(-90)\" text-anchor=\"middle\">{}</text>\n",
      kTop + kPlotHeight / 2, escaped(picture.y));
  return out;
}

std::string drawn(const Line& line, size_t number, const Scale& scale) {
  std::string path;
  for (const Point& point : line.points) {
    path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", scale.x(point.x),
                        scale.y(point.y));
  }
  const double y = kTop + 12 + 20 * static_cast<double>(number);
  const double x = kLeft + kPlotWidth + 16;
  return fmt::format(
      "<path fill=\"none\" stroke=\"{0}\" stroke-width=\"2\" stroke-linejoin=\"round\" "
      "d=\"{1}\"/>\n"
      "<path stroke=\"{0}\" stroke-width=\"3\" d=\"M{2} {3}h18\"/><text x=\"{4}\" "
      "y=\"{5}\">{6}</text>\n",
      kColours[number % kColours.size()], path, x, y - 4, x + 25, y, escaped(line.name));
}

std::string data_of(const std::vector<Line>& lines) {
  std::string out;
  for (const Line& line : lines) {
    out += "line " + escaped(line.name) + "\n";
    for (const Point& point : line.points) out += fmt::format("{:.6g} {:.6g}\n", point.x, point.y);
  }
  return out;
}

// How far the lines lie apart on average, in heights of the picture; 1 when they cannot be compared.
double distance(const Line& drawn, const Line& found, const Scale& scale) {
  if (drawn.points.size() != found.points.size() || drawn.points.empty()) return 1;
  double sum = 0;
  for (size_t i = 0; i < drawn.points.size(); ++i) {
    sum += std::abs(scale.height_of(drawn.points[i].y) - scale.height_of(found.points[i].y));
  }
  return sum / static_cast<double>(drawn.points.size());
}

}  // namespace

std::string Picture::svg() const {
  const Scale scale = scale_of(lines, log_y);
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" font-family=\"sans-serif\" "
      "font-size=\"12\" "
      "role=\"img\">\n<style>text{{fill:#333}}.grid{{stroke:#8886}}.axis{{fill:none;"
      "stroke:#888}}.mark{{stroke:#888;stroke-dasharray:4 3}}"
      "@media(prefers-color-scheme:dark){{text{{fill:#ccc}}}}</style>\n<title>{}</title>\n"
      "<metadata>\n{}</metadata>\n",
      kWidth, kHeight, escaped(title), data_of(lines));
  out += fmt::format("<text x=\"{}\" y=\"20\" font-size=\"15\">{}</text>\n", kLeft, escaped(title));
  out += grid(*this, scale);
  for (const Mark& mark : marks) {
    out += fmt::format(
        "<path class=\"mark\" d=\"M{0:.1f} {1}V{2}\"/><text x=\"{3:.1f}\" y=\"{4}\">{5}</text>\n",
        scale.x(mark.x), kTop, kTop + kPlotHeight, scale.x(mark.x) + 4, kTop - 5,
        escaped(mark.text));
  }
  for (size_t i = 0; i < lines.size(); ++i) out += drawn(lines[i], i, scale);
  return out + "</svg>\n";
}

std::vector<Line> lines_in(const std::string& svg) {
  std::vector<Line> lines;
  const size_t begin = svg.find("<metadata>\n"), end = svg.find("</metadata>");
  if (begin == std::string::npos || end == std::string::npos) return lines;
  std::istringstream data(svg.substr(begin + 11, end - begin - 11));
  for (std::string row; std::getline(data, row);) {
    Point point;
    if (row.starts_with("line ")) {
      lines.push_back({row.substr(5), {}});
    } else if (!lines.empty() && std::sscanf(row.c_str(), "%lf %lf", &point.x, &point.y) == 2) {
      lines.back().points.push_back(point);
    }
  }
  return lines;
}

std::string check_picture(const std::string& name, const Picture& picture) {
  const std::string path = std::string(WEFT_LAB_DOCS) + "/" + name + ".svg";
  if (std::getenv("WEFT_LAB_DRAW")) {
    std::ofstream(path) << picture.svg();
    return "";
  }
  std::stringstream committed;
  committed << std::ifstream(path).rdbuf();
  const std::vector<Line> drawn = lines_in(committed.str());
  if (drawn.size() != picture.lines.size()) {
    return fmt::format("{} has {} lines instead of {}: draw it anew with `make lab`", path,
                       drawn.size(), picture.lines.size());
  }
  const Scale scale = scale_of(picture.lines, picture.log_y);
  for (size_t i = 0; i < drawn.size(); ++i) {
    if (drawn[i].name != escaped(picture.lines[i].name) ||
        distance(drawn[i], picture.lines[i], scale) > kTolerance) {
      return fmt::format(
          "line \"{}\" of {} is not what the lab yields: draw it anew with `make lab`",
          drawn[i].name, path);
    }
  }
  return "";
}

}  // namespace weft::lab
