// The charts of the HTML report, each an inline <svg>, and what they share. A chart without data is an empty string.
#pragma once

#include <string>
#include <vector>

#include "core/json.h"
#include "quant/report/html/method_palette.h"

namespace sub1quant::report {

// Root mean square error over bits per weight (log y): every candidate of every matrix faint, the chosen ones solid.
std::string ErrorScatter(const Json& report, const Json& scan, const MethodPalette& palette);
// Kind of matrix × layer, darker for more bits.
std::string LayerHeatMap(const Json& report);
// Loss of each window, quantized minus base, with the running mean.
std::string WindowPlot(const Json& report);

// A linear or logarithmic scale from values to pixels.
struct Scale {
  double low = 0, high = 1;  // values; low < high, both positive if logarithmic
  double from = 0, to = 1;   // pixels
  bool logarithmic = false;

  double At(double value) const;
  // Round values inside [low, high], some five of them.
  std::vector<double> Ticks() const;
};

// Widens an empty or degenerate range, pads a proper one by `share`.
Scale MakeScale(double low, double high, double from, double to, bool logarithmic, double share = 0.05);

struct Labels {
  std::string title, x, y;
};
// Grid lines with tick labels and axis names, for a drawing area that is x.from..x.to by y.to..y.from.
std::string Grid(const Scale& x, const Scale& y, const Labels& labels);
std::string OpenSvg(double width, double height, const std::string& title);

}  // namespace sub1quant::report
