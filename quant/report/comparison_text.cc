#include "absl/strings/str_cat.h"
#include "quant/report/format.h"
#include "quant/report/json_access.h"
#include "quant/report/report.h"
#include "quant/report/text_layout.h"

namespace sub1quant {
namespace {

using report::Decimals;
using report::NumberAt;
using report::Printable;
using report::TextAt;
using Rows = std::vector<std::vector<std::string>>;

std::string Name(const Json& side) {
  const std::string label = TextAt(side, {"label"});
  std::string name = Printable(label.empty() ? TextAt(side, {"model"}, "?") : label);
  if (TextAt(side, {"scored"}) == "base") name += " (base)";
  return name;
}

std::string Ratio(const std::optional<double>& a, const std::optional<double>& b) {
  return a && b && *a > 0 ? Decimals(*b / *a, 4) + "x" : "–";
}

void AddBytes(Rows& rows, const Json& json, const char* field, const std::string& what) {
  const auto a = NumberAt(json, {"a", field}), b = NumberAt(json, {"b", field});
  if (!a && !b) return;
  rows.push_back({what, a ? report::HumanBytes(*a) : "–", b ? report::HumanBytes(*b) : "–", Ratio(a, b)});
}

void AddNumber(Rows& rows, const Json& json, const char* field, const std::string& what) {
  const auto a = NumberAt(json, {"a", field}), b = NumberAt(json, {"b", field});
  if (a || b) rows.push_back({what, report::OrDash(a, 4), report::OrDash(b, 4), Ratio(a, b)});
}

std::string PairedLine(const Json& difference, const std::string& protocol) {
  const auto loss = NumberAt(difference, {"mean_loss_difference"});
  const auto error = NumberAt(difference, {"standard_error"});
  const auto perplexity = NumberAt(difference, {"perplexity_difference"});
  const auto perplexity_error = NumberAt(difference, {"perplexity_standard_error"});
  if (!loss || !perplexity) return "";
  std::string line = absl::StrCat(protocol, ": B - A = ", report::Signed(*perplexity, 4));
  if (perplexity_error) absl::StrAppend(&line, " ± ", Decimals(*perplexity_error, 4));
  absl::StrAppend(&line, " perplexity, ", report::Signed(*loss, 5));
  if (error) absl::StrAppend(&line, " ± ", Decimals(*error, 5));
  absl::StrAppend(&line, " loss");
  if (error && *error > 0) absl::StrAppend(&line, ", ", Decimals(*loss / *error, 1), " standard errors");
  return line;
}

}  // namespace

std::string RenderComparison(const Json& comparison, bool colour) {
  const report::Style style(colour);
  Rows rows = {{"", "A", "B", "B / A"}};
  AddNumber(rows, comparison, "average_bpw", "bits per weight");
  AddBytes(rows, comparison, "stored_bytes", "packed matrices");
  AddBytes(rows, comparison, "checkpoint_bytes", "checkpoint.pt");
  AddBytes(rows, comparison, "model_bytes", "whole model");
  AddNumber(rows, comparison, "published", "perplexity (published)");
  AddNumber(rows, comparison, "bos_per_window", "perplexity (bos_per_window)");

  std::string text;
  for (const char* side : {"a", "b"})
    absl::StrAppend(&text, style.Bold(side[0] == 'a' ? "A" : "B"), "  ", Name(report::At(comparison, {side})), "\n");
  text += "\n";
  for (const std::string& line : report::AlignTable(rows)) absl::StrAppend(&text, line, "\n");
  std::string paired;
  for (const char* protocol : {"published", "bos_per_window"}) {
    const std::string line = PairedLine(report::At(comparison, {"difference", protocol}), protocol);
    if (!line.empty()) absl::StrAppend(&paired, line, "\n");
  }
  if (!paired.empty()) absl::StrAppend(&text, "\n", style.Bold("Paired over the windows"), "\n", paired);
  return text;
}

}  // namespace sub1quant
