#include "quant/report/html/method_palette.h"

#include <algorithm>
#include <vector>

#include "quant/report/format.h"
#include "quant/report/html/markup.h"
#include "quant/report/json_access.h"

namespace sub1quant::report {
namespace {
constexpr int kColours = 8;
}  // namespace

MethodPalette::MethodPalette(const Json& report, const Json& scan) {
  for (const Json& tensor : ListAt(report, {"allocation", "tensors"})) See(tensor, true);
  for (const Json& layer : ListAt(scan, {"layers"}))
    for (const Json& candidate : ListAt(layer, {"candidates"})) See(candidate, false);
  std::vector<std::pair<double, std::string>> order;
  for (const auto& [method, entry] : methods_) order.emplace_back(entry.bpw, method);
  std::sort(order.begin(), order.end());
  for (size_t i = 0; i < order.size(); ++i) methods_[order[i].second].colour = static_cast<int>(i);
}

void MethodPalette::See(const Json& candidate, bool chosen) {
  const std::string method = TextAt(candidate, {"method"});
  const auto bpw = NumberAt(candidate, {"bpw"});
  if (method.empty() || !bpw) return;
  const auto [found, fresh] = methods_.try_emplace(method);
  Entry& entry = found->second;
  entry.bpw = fresh ? *bpw : std::min(entry.bpw, *bpw);
  entry.chosen += chosen;
}

std::string MethodPalette::Class(const std::string& method) const {
  const auto found = methods_.find(method);
  const int colour = found == methods_.end() ? 0 : found->second.colour;
  return "m" + std::to_string(colour % kColours) + (colour / kColours % 2 == 1 ? " hollow" : "");
}

std::string MethodPalette::Legend() const {
  std::vector<std::pair<int, std::string>> order;
  for (const auto& [method, entry] : methods_) order.emplace_back(entry.colour, method);
  std::sort(order.begin(), order.end());
  std::string html = "<div class=\"legend\">";
  for (const auto& [colour, method] : order) {
    html += "<span><svg class=\"swatch\" viewBox=\"0 0 12 12\" aria-hidden=\"true\"><circle class=\"" + Class(method) +
            "\" cx=\"6\" cy=\"6\" r=\"5\"/></svg>" + Escape(method) + " <b>" + Thousands(methods_.at(method).chosen) +
            "</b></span>";
  }
  return html + "</div>\n";
}

}  // namespace sub1quant::report
