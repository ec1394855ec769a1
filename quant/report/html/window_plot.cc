#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "quant/report/format.h"
#include "quant/report/html/charts.h"
#include "quant/report/html/markup.h"
#include "quant/report/json_access.h"

namespace sub1quant::report {
namespace {

constexpr double kWidth = 880, kHeight = 320, kLeft = 76, kRight = 868, kTop = 12, kBottom = 268;

// All points as one path of empty strokes with round caps: small, and drawn at once.
std::string Points(const std::vector<double>& values, const Scale& x, const Scale& y) {
  std::string path = "<path class=\"points\" d=\"";
  for (size_t i = 0; i < values.size(); ++i)
    absl::StrAppend(&path, "M", Coordinate(x.At(static_cast<double>(i))), " ", Coordinate(y.At(values[i])), "h0");
  return path + "\"/>\n";
}

std::string RunningMean(const std::vector<double>& values, const Scale& x, const Scale& y) {
  std::string path = "<path class=\"mean\" d=\"";
  double sum = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    sum += values[i];
    absl::StrAppend(&path, i == 0 ? "M" : "L", Coordinate(x.At(static_cast<double>(i))), " ",
                    Coordinate(y.At(sum / static_cast<double>(i + 1))));
  }
  return path + "\"/>\n";
}

}  // namespace

std::string WindowPlot(const Json& report) {
  const std::vector<double> base = NumbersAt(report, {"perplexity", "base", "chunk_loss"});
  const std::vector<double> quantized = NumbersAt(report, {"perplexity", "quantized", "chunk_loss"});
  if (base.empty() || base.size() != quantized.size()) return "";
  std::vector<double> values;
  for (size_t i = 0; i < base.size(); ++i) values.push_back(quantized[i] - base[i]);
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  const Scale x = MakeScale(0, static_cast<double>(values.size() - 1), kLeft, kRight, false, 0.01);
  const Scale y = MakeScale(std::min(*low, 0.0), std::max(*high, 0.0), kBottom, kTop, false);
  if (!std::isfinite(y.high - y.low)) return "";
  std::string svg = OpenSvg(kWidth, kHeight, "loss difference of each window");
  svg += Grid(x, y, {"", "window", "loss, quantized − base"});
  absl::StrAppend(&svg, "<line class=\"zero\" x1=\"", Coordinate(kLeft), "\" x2=\"", Coordinate(kRight), "\" y1=\"",
                  Coordinate(y.At(0)), "\" y2=\"", Coordinate(y.At(0)), "\"/>\n");
  svg += Points(values, x, y) + RunningMean(values, x, y);
  return svg +
         "</svg>\n<p class=\"note\">Dots: mean loss of each window of the published protocol, quantized minus base. "
         "Line: running mean "
         "over the windows.</p>\n";
}

}  // namespace sub1quant::report
