#include <algorithm>
#include <cctype>
#include <limits>
#include <map>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "quant/report/format.h"
#include "quant/report/html/charts.h"
#include "quant/report/html/markup.h"
#include "quant/report/json_access.h"

namespace sub1quant::report {
namespace {

constexpr double kCell = 20, kGap = 2, kNames = 210, kHeader = 20;
constexpr int64_t kNoLayer = -1;

// "model.language_model.layers.3.mlp.up_proj.weight" → layer 3, "mlp.up_proj".
struct Place {
  int64_t layer = kNoLayer;
  std::string kind;
};

Place PlaceOf(const std::string& key) {
  Place place{kNoLayer, key};
  const std::string suffix = ".weight";
  if (place.kind.size() > suffix.size() &&
      place.kind.compare(place.kind.size() - suffix.size(), suffix.size(), suffix) == 0)
    place.kind.resize(place.kind.size() - suffix.size());
  const std::string word = "layers.";
  const size_t at = place.kind.find(word);
  if (at == std::string::npos || (at > 0 && place.kind[at - 1] != '.')) return place;
  const size_t begin = at + word.size();
  size_t end = begin;
  while (end < place.kind.size() && std::isdigit(static_cast<unsigned char>(place.kind[end]))) ++end;
  int64_t layer = 0;
  if (end + 1 >= place.kind.size() || place.kind[end] != '.' ||
      !absl::SimpleAtoi(place.kind.substr(begin, end - begin), &layer))
    return place;
  return {layer, place.kind.substr(end + 1)};
}

struct Cell {
  double bpw = 0;
  std::string tooltip;
};
// Kinds in order of appearance, layers ascending.
struct Map {
  std::vector<std::string> kinds;
  std::map<std::string, std::map<int64_t, Cell>> cells;
  std::map<int64_t, size_t> columns;
  double low = std::numeric_limits<double>::infinity(), high = -std::numeric_limits<double>::infinity();
};

Map Collect(const Json& report) {
  Map map;
  for (const Json& tensor : ListAt(report, {"allocation", "tensors"})) {
    const auto bpw = NumberAt(tensor, {"bpw"});
    if (!bpw) continue;
    const std::string key = TextAt(tensor, {"key"});
    const Place place = PlaceOf(key);
    if (!map.cells.contains(place.kind)) map.kinds.push_back(place.kind);
    map.cells[place.kind][place.layer] = {
        *bpw, absl::StrCat(key, "\n", TextAt(tensor, {"method"}), ", ", Decimals(*bpw, 4), " bits per weight")};
    map.columns[place.layer] = 0;
    map.low = std::min(map.low, *bpw);
    map.high = std::max(map.high, *bpw);
  }
  size_t column = 0;
  for (auto& [layer, number] : map.columns) number = column++;
  return map;
}

std::string Header(const Map& map) {
  std::string svg;
  const size_t every = map.columns.size() > 24 ? 5 : 1;
  for (const auto& [layer, column] : map.columns)
    if (layer != kNoLayer && static_cast<size_t>(layer) % every == 0)
      absl::StrAppend(&svg, "<text class=\"tick middle\" x=\"",
                      Coordinate(kNames + kCell * (static_cast<double>(column) + 0.5)), "\" y=\"14\">", layer,
                      "</text>");
  return svg + "\n";
}

std::string Rectangle(const Map& map, const Cell& cell, size_t column, double top) {
  const double share = map.high > map.low ? (cell.bpw - map.low) / (map.high - map.low) : 0.5;
  return absl::StrCat("<rect class=\"cell\" x=\"", Coordinate(kNames + kCell * static_cast<double>(column)), "\" y=\"",
                      Coordinate(top), "\" width=\"", Coordinate(kCell - kGap), "\" height=\"",
                      Coordinate(kCell - kGap), "\" rx=\"3\" fill-opacity=\"", Coordinate(0.14 + 0.86 * share), "\">",
                      Tooltip(cell.tooltip), "</rect>\n");
}

}  // namespace

std::string LayerHeatMap(const Json& report) {
  const Map map = Collect(report);
  if (map.kinds.empty()) return "";
  const double width = std::max(kNames + kCell * static_cast<double>(map.columns.size()) + 8, 480.0);
  const double height = kHeader + kCell * static_cast<double>(map.kinds.size()) + 4;
  std::string svg = OpenSvg(width, height, "bits per weight by layer and kind of matrix") + Header(map);
  double top = kHeader;
  for (const std::string& kind : map.kinds) {
    const size_t shown = 30;
    const std::string name = kind.size() > shown ? "…" + kind.substr(kind.size() - shown) : kind;
    absl::StrAppend(&svg, "<text class=\"tick end\" x=\"", Coordinate(kNames - 8), "\" y=\"", Coordinate(top + 13),
                    "\">", Escape(name), "</text>\n");
    for (const auto& [layer, cell] : map.cells.at(kind)) svg += Rectangle(map, cell, map.columns.at(layer), top);
    top += kCell;
  }
  absl::StrAppend(&svg, "</svg>\n<p class=\"note\">Columns are layers");
  if (map.columns.contains(kNoLayer)) absl::StrAppend(&svg, ", the first one holds matrices outside them");
  return absl::StrCat(svg, ". Faintest: ", Decimals(map.low, 4), " bits per weight, strongest: ", Decimals(map.high, 4),
                      ".</p>\n");
}

}  // namespace sub1quant::report
