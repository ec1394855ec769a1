#include "quant/report/html/charts.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "quant/report/html/markup.h"

namespace sub1quant::report {
namespace {

constexpr int kMostTicks = 12;

double NiceStep(double span) {
  const double rough = span / 5;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0})
    if (rough <= factor * power) return factor * power;
  return 10 * power;
}

// Powers of ten; 1, 2, 5 of each where the range is short.
std::vector<double> LogarithmicTicks(double low, double high) {
  const int first = static_cast<int>(std::floor(std::log10(low))), last = static_cast<int>(std::ceil(std::log10(high)));
  const int step = std::max(1, (last - first) / 8);
  std::vector<double> ticks;
  for (int power = first; power <= last; power += step) {
    for (const double factor : {1.0, 2.0, 5.0}) {
      const double tick = factor * std::pow(10.0, power);
      if ((factor == 1.0 || last - first <= 3) && tick >= low && tick <= high) ticks.push_back(tick);
    }
  }
  return ticks;
}

std::string Line(double x1, double y1, double x2, double y2, const char* css) {
  return absl::StrCat("<line class=\"", css, "\" x1=\"", Coordinate(x1), "\" y1=\"", Coordinate(y1), "\" x2=\"",
                      Coordinate(x2), "\" y2=\"", Coordinate(y2), "\"/>");
}

std::string Text(double x, double y, const char* css, const std::string& text, const std::string& more = "") {
  return absl::StrCat("<text class=\"", css, "\" x=\"", Coordinate(x), "\" y=\"", Coordinate(y), "\"", more, ">",
                      Escape(text), "</text>");
}

}  // namespace

double Scale::At(double value) const {
  const double share =
      logarithmic ? (std::log(value) - std::log(low)) / (std::log(high) - std::log(low)) : (value - low) / (high - low);
  return from + share * (to - from);
}

std::vector<double> Scale::Ticks() const {
  std::vector<double> ticks;
  if (logarithmic) return LogarithmicTicks(low, high);
  const double step = NiceStep(high - low);
  const double first = std::ceil(low / step - 1e-9);
  for (int i = 0; i < kMostTicks && (first + i) * step <= high + step * 1e-9; ++i) ticks.push_back((first + i) * step);
  return ticks;
}

Scale MakeScale(double low, double high, double from, double to, bool logarithmic, double share) {
  Scale scale{low, high, from, to, logarithmic};
  if (logarithmic) {
    const double pad = high > low ? std::pow(high / low, share) : 2;
    scale.low = low / pad;
    scale.high = high * pad;
  } else {
    const double pad = high > low ? (high - low) * share : std::max(std::fabs(low) * 0.1, 1e-6);
    scale.low = low - pad;
    scale.high = high + pad;
  }
  return scale;
}

std::string OpenSvg(double width, double height, const std::string& title) {
  return absl::StrCat("<svg class=\"chart\" viewBox=\"0 0 ", Coordinate(width), " ", Coordinate(height),
                      "\" role=\"img\" aria-label=\"", Escape(title), "\">\n");
}

std::string Grid(const Scale& x, const Scale& y, const Labels& labels) {
  std::string svg;
  for (const double tick : y.Ticks()) {
    const double at = y.At(tick);
    absl::StrAppend(&svg, Line(x.from, at, x.to, at, "grid"),
                    Text(x.from - 8, at + 4, "tick end", absl::StrFormat("%.3g", tick)), "\n");
  }
  for (const double tick : x.Ticks()) {
    const double at = x.At(tick);
    absl::StrAppend(&svg, Line(at, y.from, at, y.from + 4, "axis"),
                    Text(at, y.from + 18, "tick middle", absl::StrFormat("%.6g", tick)), "\n");
  }
  absl::StrAppend(&svg, Line(x.from, y.from, x.to, y.from, "axis"), "\n");
  absl::StrAppend(&svg, Text((x.from + x.to) / 2, y.from + 38, "name middle", labels.x));
  const std::string turn = absl::StrCat(" transform=\"rotate(-90 14 ", Coordinate((y.from + y.to) / 2), ")\"");
  absl::StrAppend(&svg, Text(14, (y.from + y.to) / 2, "name middle", labels.y, turn), "\n");
  return svg;
}

}  // namespace sub1quant::report
