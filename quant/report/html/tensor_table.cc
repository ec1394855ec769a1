#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "quant/report/format.h"
#include "quant/report/html/markup.h"
#include "quant/report/html/page.h"
#include "quant/report/json_access.h"

namespace sub1quant::report {
namespace {

// A number sorts by `data-v`, shown as `text`.
std::string Number(const std::optional<double>& value, const std::string& text) {
  if (!value) return "<td class=\"n\" data-v=\"\">–</td>";
  return absl::StrCat("<td class=\"n\" data-v=\"", absl::StrFormat("%.17g", *value), "\">", text, "</td>");
}

std::string Word(const std::string& text, const std::string& attributes = "") {
  return absl::StrCat("<td", attributes, ">", Escape(text), "</td>");
}

std::string Shape(const Json& tensor) {
  const std::vector<double> sides = NumbersAt(tensor, {"shape"});
  return sides.size() == 2 ? absl::StrFormat("%.0f × %.0f", sides[0], sides[1]) : "–";
}

std::string Row(const Json& tensor) {
  const auto index = NumberAt(tensor, {"index"});
  const auto bpw = NumberAt(tensor, {"bpw"});
  const auto params = NumberAt(tensor, {"params"});
  const auto stored = NumberAt(tensor, {"stored_bytes"});
  auto rmse = NumberAt(tensor, {"mse"});
  if (rmse) rmse = std::sqrt(std::max(*rmse, 0.0));
  return absl::StrCat("<tr>", Number(index, absl::StrFormat("%.0f", index.value_or(0))),
                      Word(TextAt(tensor, {"key"}), " class=\"long\""), Number(params, Shape(tensor)),
                      Word(TextAt(tensor, {"method"})), Number(bpw, Decimals(bpw.value_or(0), 4)),
                      Number(rmse, Scientific(rmse.value_or(0))), Number(stored, HumanBytes(stored.value_or(0))),
                      Word(TextAt(tensor, {"applied"})), "</tr>\n");
}

}  // namespace

std::string TensorTable(const Json& report) {
  const Json& tensors = ListAt(report, {"allocation", "tensors"});
  if (tensors.empty()) return "";
  std::string html = "<div class=\"scroll\"><table class=\"sortable\"><thead><tr>";
  const std::pair<const char*, const char*> columns[] = {{"#", "n"},      {"matrix", ""},         {"shape", "n"},
                                                         {"format", ""},  {"bits / weight", "n"}, {"RMSE", "n"},
                                                         {"stored", "n"}, {"applied", ""}};
  for (const auto& [name, css] : columns)
    absl::StrAppend(&html, "<th class=\"", css, "\"><button type=\"button\">", name, "</button></th>");
  html += "</tr></thead><tbody>\n";
  for (const Json& tensor : tensors) html += Row(tensor);
  return html + "</tbody></table></div>\n";
}

}  // namespace sub1quant::report
