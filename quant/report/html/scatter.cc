#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "quant/report/format.h"
#include "quant/report/html/charts.h"
#include "quant/report/html/markup.h"
#include "quant/report/json_access.h"

namespace sub1quant::report {
namespace {

constexpr double kWidth = 880, kHeight = 420, kLeft = 76, kRight = 868, kTop = 12, kBottom = 368;
// Matrices of one format share their bits: they are spread sideways in table order, by up to this many pixels either
// way.
constexpr double kSpread = 13;

struct Point {
  std::string key, method;
  double bpw = 0, rmse = 0;
  double order = 0;  // -1..1, place of the matrix in the table
  bool chosen = false;
};

void AddPoint(std::vector<Point>& points, const Json& candidate, const std::string& key, double order, bool chosen) {
  const auto bpw = NumberAt(candidate, {"bpw"});
  const auto mse = NumberAt(candidate, {"mse"});
  if (bpw && mse && *mse > 0)
    points.push_back({key, TextAt(candidate, {"method"}), *bpw, std::sqrt(*mse), order, chosen});
}

double Order(size_t i, size_t n) { return n > 1 ? 2.0 * static_cast<double>(i) / static_cast<double>(n - 1) - 1 : 0; }

std::vector<Point> Collect(const Json& report, const Json& scan) {
  std::vector<Point> points;
  const Json& layers = ListAt(scan, {"layers"});
  for (size_t i = 0; i < layers.size(); ++i)
    for (const Json& candidate : ListAt(layers[i], {"candidates"}))
      AddPoint(points, candidate, TextAt(layers[i], {"key"}), Order(i, layers.size()), false);
  const Json& tensors = ListAt(report, {"allocation", "tensors"});
  for (size_t i = 0; i < tensors.size(); ++i)
    AddPoint(points, tensors[i], TextAt(tensors[i], {"key"}), Order(i, tensors.size()), true);
  return points;
}

std::string Dot(const Point& point, const Scale& x, const Scale& y, const MethodPalette& palette) {
  std::string dot = absl::StrCat("<circle class=\"", palette.Class(point.method), point.chosen ? " chosen" : " faint",
                                 "\" cx=\"", Coordinate(x.At(point.bpw) + kSpread * point.order), "\" cy=\"",
                                 Coordinate(y.At(point.rmse)), "\" r=\"", point.chosen ? "3" : "2", "\"");
  if (!point.chosen) return dot + "/>";
  return dot + ">" +
         Tooltip(absl::StrCat(point.key, "\n", point.method, ", ", Decimals(point.bpw, 4), " bits per weight, RMSE ",
                              Scientific(point.rmse))) +
         "</circle>\n";
}

}  // namespace

std::string ErrorScatter(const Json& report, const Json& scan, const MethodPalette& palette) {
  const std::vector<Point> points = Collect(report, scan);
  if (points.empty()) return "";
  double low_x = std::numeric_limits<double>::infinity(), low_y = low_x, high_x = -low_x, high_y = -low_x;
  for (const Point& point : points) {
    low_x = std::min(low_x, point.bpw);
    high_x = std::max(high_x, point.bpw);
    low_y = std::min(low_y, point.rmse);
    high_y = std::max(high_y, point.rmse);
  }
  const Scale x = MakeScale(low_x, high_x, kLeft, kRight, false, 0.06);
  const Scale y = MakeScale(low_y, high_y, kBottom, kTop, true);
  std::string svg = OpenSvg(kWidth, kHeight, "error of each matrix over bits per weight");
  svg += Grid(x, y,
              {"", "bits per weight (matrices of one format side by side in model order)", "root mean square error"});
  for (const Point& point : points) svg += Dot(point, x, y, palette);
  return svg + "</svg>\n" + palette.Legend();
}

}  // namespace sub1quant::report
