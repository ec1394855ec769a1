// report.html: one file without any outside resource, made from report.json and scan.json.
#include <optional>

#include "absl/strings/str_cat.h"
#include "quant/report/format.h"
#include "quant/report/html/charts.h"
#include "quant/report/html/markup.h"
#include "quant/report/html/page.h"
#include "quant/report/json_access.h"
#include "quant/report/report.h"

namespace sub1quant {
namespace {

using report::At;
using report::Decimals;
using report::Escape;
using report::IntegerAt;
using report::ListAt;
using report::NumberAt;
using report::OrDash;
using report::TextAt;

std::string Section(const std::string& heading, const std::string& body) {
  return body.empty() ? "" : absl::StrCat("<section><h2>", heading, "</h2>\n", body, "</section>\n");
}

std::string Tile(const std::string& what, const std::string& value, const std::string& more) {
  return absl::StrCat("<div class=\"tile\"><div class=\"what\">", Escape(what), "</div><div class=\"value\">",
                      Escape(value), "</div><div class=\"more\">", Escape(more), "</div></div>\n");
}

std::string Heading(const Json& json) {
  const std::string label = TextAt(json, {"label"}, TextAt(json, {"model", "name"}, "report"));
  std::string facts = TextAt(json, {"model", "name"});
  if (const std::string architecture = TextAt(json, {"model", "architecture"}); !architecture.empty())
    absl::StrAppend(&facts, " · ", architecture);
  if (const auto tensors = IntegerAt(json, {"model", "quantizable_tensors"}))
    absl::StrAppend(&facts, " · ", report::Thousands(*tensors), " quantizable matrices");
  if (const auto weights = IntegerAt(json, {"model", "quantizable_parameters"}))
    absl::StrAppend(&facts, " · ", report::Thousands(*weights), " weights");
  return absl::StrCat("<header><h1>", Escape(label), "</h1><p>", Escape(facts), "</p></header>\n");
}

std::string AllocationTiles(const Json& json) {
  const Json& allocation = At(json, {"allocation"});
  if (!allocation.is_object()) return "";
  const auto target = NumberAt(allocation, {"target_bpw"});
  const auto gap = NumberAt(allocation, {"bound_gap"});
  std::string how = TextAt(allocation, {"allocator"});
  if (target) how = absl::StrCat("target ", Decimals(*target, 4), ", ", how);
  if (gap) absl::StrAppend(&how, ", ", Decimals(100 * *gap, 4), " % above the bound");
  std::string html = Tile("bits per weight", OrDash(NumberAt(allocation, {"average_bpw"}), 4), how);
  const auto stored = NumberAt(allocation, {"stored_bytes"});
  const auto source = NumberAt(allocation, {"source_bytes"});
  if (stored)
    html += Tile("packed matrices", report::HumanBytes(*stored),
                 source && *stored > 0
                     ? absl::StrCat("from ", report::HumanBytes(*source), ", ", Decimals(*source / *stored, 2), "x")
                     : "");
  const auto whole = NumberAt(allocation, {"model_bytes"});
  const auto before = NumberAt(json, {"model", "total_bytes"});
  if (whole)
    html += Tile("whole model", report::HumanBytes(*whole), before ? "from " + report::HumanBytes(*before) : "");
  return html;
}

std::string PerplexityTile(const Json& json, const char* protocol) {
  const auto base = NumberAt(json, {"perplexity", "base", protocol});
  const auto quantized = NumberAt(json, {"perplexity", "quantized", protocol});
  if (!base && !quantized) return "";
  std::string more = base && quantized ? absl::StrCat("from ", Decimals(*base, 4)) : base ? "unquantized" : "";
  const Json& difference = At(json, {"perplexity", "difference", protocol});
  if (const auto delta = NumberAt(difference, {"perplexity_difference"})) {
    absl::StrAppend(&more, ", ", report::Signed(*delta, 4));
    if (const auto error = NumberAt(difference, {"perplexity_standard_error"}))
      absl::StrAppend(&more, " ± ", Decimals(*error, 4));
  }
  return Tile(absl::StrCat("perplexity, ", protocol), Decimals(quantized ? *quantized : *base, 4), more);
}

std::string SizeTable(const Json& json) {
  const Json& allocation = At(json, {"allocation"});
  std::string rows;
  const std::pair<const char*, std::optional<int64_t>> sizes[] = {
      {"packed matrices", IntegerAt(allocation, {"stored_bytes"})},
      {"checkpoint.pt", IntegerAt(allocation, {"checkpoint_bytes"})},
      {"whole model, quantized", IntegerAt(allocation, {"model_bytes"})},
      {"these matrices in the source", IntegerAt(allocation, {"source_bytes"})},
      {"whole model, source", IntegerAt(json, {"model", "total_bytes"})}};
  for (const auto& [what, bytes] : sizes)
    if (bytes)
      absl::StrAppend(&rows, "<tr><td>", what, "</td><td class=\"n\">", report::HumanBytes(static_cast<double>(*bytes)),
                      "</td><td class=\"n\">", report::Thousands(*bytes), " B</td></tr>\n");
  return rows.empty() ? "" : "<table class=\"plain\">" + rows + "</table>\n";
}

std::string TimeTable(const Json& json) {
  const Json& timings = At(json, {"timings"});
  std::string rows;
  if (timings.is_object())
    for (const auto& item : timings.items())
      if (item.value().is_number())
        absl::StrAppend(&rows, "<tr><td>", Escape(item.key()), "</td><td class=\"n\">",
                        report::Duration(item.value().get<double>()), "</td></tr>\n");
  for (const Json& worker : ListAt(json, {"workers"}))
    absl::StrAppend(&rows, "<tr><td>", Escape(TextAt(worker, {"id"}, "?")), " (", Escape(TextAt(worker, {"device"})),
                    ")</td><td class=\"n\">", report::Thousands(IntegerAt(worker, {"tasks"}).value_or(0)),
                    " tasks</td></tr>\n");
  return rows.empty() ? "" : "<table class=\"plain\">" + rows + "</table>\n";
}

std::string Warnings(const Json& json) {
  std::string html;
  for (const Json& warning : ListAt(json, {"warnings"}))
    if (warning.is_string())
      absl::StrAppend(&html, "<p class=\"warning\">", Escape(warning.get<std::string>()), "</p>\n");
  return html;
}

// Lines and indentation of JSON survive: each line is escaped by itself.
std::string Preformatted(const std::string& text) {
  std::string html = "<pre>";
  std::string line;
  for (const char c : text) {
    if (c != '\n') {
      line += c;
      continue;
    }
    absl::StrAppend(&html, Escape(line), "\n");
    line.clear();
  }
  return absl::StrCat(html, Escape(line), "</pre>");
}

std::string Provenance(const Json& json) {
  Json facts;
  for (const char* key : {"sub1quant", "model", "tokens", "specification"}) facts[key] = At(json, {key});
  return absl::StrCat("<details><summary>specification, digests and versions that reproduce it</summary>",
                      Preformatted(DumpJson(facts)), "</details>\n");
}

}  // namespace

std::string RenderHtml(const Json& report, const Json& scan) {
  const report::MethodPalette palette(report, scan);
  const std::string tiles =
      AllocationTiles(report) + PerplexityTile(report, "published") + PerplexityTile(report, "bos_per_window");
  const std::string title = TextAt(report, {"label"}, "sub1quant report");
  return absl::StrCat("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
                      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
                      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
                      "'unsafe-inline'; script-src "
                      "'unsafe-inline'\">\n",
                      "<title>", Escape(title), "</title>\n<style>", report::StyleSheet(),
                      "</style>\n</head>\n<body>\n<main>\n", Heading(report), "<div class=\"tiles\">\n", tiles,
                      "</div>\n", Section("Warnings", Warnings(report)),
                      Section("Error against size", report::ErrorScatter(report, scan, palette)),
                      Section("Bits by layer", report::LayerHeatMap(report)),
                      Section("Loss of each window", report::WindowPlot(report)), Section("Sizes", SizeTable(report)),
                      Section("Time and workers", TimeTable(report)), Section("Matrices", report::TensorTable(report)),
                      Section("Provenance", Provenance(report)), "</main>\n<script>", report::SortScript(),
                      "</script>\n</body>\n</html>\n");
}

}  // namespace sub1quant
