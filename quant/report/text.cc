// report.json for a terminal.
#include <map>

#include "absl/strings/str_cat.h"
#include "quant/report/format.h"
#include "quant/report/json_access.h"
#include "quant/report/report.h"
#include "quant/report/text_layout.h"

namespace sub1quant {
namespace {

using report::Decimals;
using report::IntegerAt;
using report::ListAt;
using report::NumberAt;
using report::OrDash;
using report::Printable;
using report::Style;
using report::TextAt;
using report::Thousands;
using Rows = std::vector<std::vector<std::string>>;

constexpr int kBarWidth = 24;
constexpr const char* kProtocols[] = {"published", "bos_per_window"};

std::string Title(const Style& style, const Json& json) {
  std::string label = Printable(TextAt(json, {"label"}));
  if (label.empty()) label = Printable(TextAt(json, {"model", "name"}, "report"));
  const std::string version = Printable(absl::StrCat("sub1quant ", TextAt(json, {"sub1quant", "version"}, "?"), " (",
                                                     TextAt(json, {"sub1quant", "commit"}, "unknown"), ")"));
  return style.Accent(style.Bold(label)) + "  " + style.Dim(version) + "\n\n";
}

std::vector<std::string> ModelLines(const Json& json) {
  std::string first = Printable(TextAt(json, {"model", "name"}, "?"));
  for (const char* field : {"architecture", "selection"}) {
    const std::string text = Printable(TextAt(json, {"model", field}));
    if (!text.empty()) absl::StrAppend(&first, " · ", text);
  }
  const auto tensors = IntegerAt(json, {"model", "quantizable_tensors"});
  const auto parameters = IntegerAt(json, {"model", "quantizable_parameters"});
  const auto bytes = NumberAt(json, {"model", "total_bytes"});
  std::vector<std::string> lines = {first};
  if (tensors && parameters && bytes)
    lines.push_back(absl::StrCat(Thousands(*tensors), " quantizable matrices, ", Thousands(*parameters),
                                 " weights; all tensors ", report::HumanBytes(*bytes)));
  return lines;
}

struct MethodShare {
  int64_t matrices = 0;
  double parameters = 0;
};

// One line a method: matrices, share of the weights, bar.
std::vector<std::string> MethodLines(const Json& allocation) {
  std::map<std::string, MethodShare> shares;
  double total = 0;
  for (const Json& tensor : ListAt(allocation, {"tensors"})) {
    const double parameters = NumberAt(tensor, {"params"}).value_or(0);
    MethodShare& share = shares[TextAt(tensor, {"method"}, "?")];
    ++share.matrices;
    share.parameters += parameters;
    total += parameters;
  }
  Rows rows;
  std::vector<std::string> bars;
  for (const auto& [method, share] : shares) {
    const double part = total > 0 ? share.parameters / total : 0;
    rows.push_back({Printable(method), Thousands(share.matrices), absl::StrCat(Decimals(100 * part, 1), " %")});
    bars.push_back(report::Bar(part, kBarWidth));
  }
  std::vector<std::string> lines = report::AlignTable(rows);
  for (size_t i = 0; i < lines.size(); ++i)
    if (!bars[i].empty()) lines[i] += "  " + bars[i];
  return lines;
}

std::vector<std::string> AllocationLines(const Json& json) {
  const Json& allocation = report::At(json, {"allocation"});
  if (!allocation.is_object()) return {};
  std::string first = absl::StrCat(OrDash(NumberAt(allocation, {"average_bpw"}), 4), " bits per weight");
  const auto target = NumberAt(allocation, {"target_bpw"});
  std::string how = target ? absl::StrCat("target ", Decimals(*target, 4), ", ") : "";
  absl::StrAppend(&how, Printable(TextAt(allocation, {"allocator"}, "?")));
  if (const auto group = IntegerAt(allocation, {"group_size"})) absl::StrAppend(&how, ", groups of ", *group);
  std::vector<std::string> lines = {absl::StrCat(first, "  (", how, ")")};
  const auto mse = NumberAt(allocation, {"weighted_mse"});
  const auto gap = NumberAt(allocation, {"bound_gap"});
  if (mse)
    lines.push_back(absl::StrCat("weighted mean squared error ", report::Scientific(*mse),
                                 gap ? absl::StrCat(", ", Decimals(100 * *gap, 4), " % above the lower bound") : ""));
  for (const std::string& line : MethodLines(allocation)) lines.push_back(line);
  if (const size_t kept = ListAt(allocation, {"kept"}).size(); kept > 0)
    lines.push_back(absl::StrCat(kept, kept == 1 ? " matrix kept as it is" : " matrices kept as they are"));
  return lines;
}

std::string Compression(const std::optional<double>& before, const std::optional<double>& after) {
  if (!before || !after || *before <= 0 || *after <= 0) return "";
  return absl::StrCat(Decimals(*before / *after, 2), "x");
}

void AddSize(Rows& rows, const std::string& what, const std::optional<int64_t>& bytes,
             const std::optional<int64_t>& source) {
  if (!bytes) return;
  const std::optional<double> size = static_cast<double>(*bytes);
  std::optional<double> before;
  if (source) before = static_cast<double>(*source);
  const std::string ratio = Compression(before, size);
  rows.push_back({what, report::HumanBytes(*size), Thousands(*bytes) + " B",
                  ratio.empty() ? "" : "from " + report::HumanBytes(*before), ratio});
}

std::vector<std::string> SizeLines(const Json& json) {
  const Json& allocation = report::At(json, {"allocation"});
  Rows rows;
  const auto source = IntegerAt(allocation, {"source_bytes"});
  AddSize(rows, "packed matrices", IntegerAt(allocation, {"stored_bytes"}), source);
  AddSize(rows, "checkpoint.pt", IntegerAt(allocation, {"checkpoint_bytes"}), source);
  AddSize(rows, "whole model", IntegerAt(allocation, {"model_bytes"}), IntegerAt(json, {"model", "total_bytes"}));
  return report::AlignTable(rows);
}

std::string PlusMinus(const Json& difference, const char* value, const char* error, int places) {
  const auto number = NumberAt(difference, {value});
  if (!number) return "–";
  const auto spread = NumberAt(difference, {error});
  return report::Signed(*number, places) + (spread ? " ± " + Decimals(*spread, places) : "");
}

std::vector<std::string> PerplexityLines(const Json& json) {
  const Json& perplexity = report::At(json, {"perplexity"});
  Rows rows = {{"", "base", "quantized", "difference", "loss difference", "ratio"}};
  for (const char* protocol : kProtocols) {
    const auto base = NumberAt(perplexity, {"base", protocol});
    const auto quantized = NumberAt(perplexity, {"quantized", protocol});
    if (!base && !quantized) continue;
    const Json& difference = report::At(perplexity, {"difference", protocol});
    rows.push_back({protocol, OrDash(base, 4), OrDash(quantized, 4),
                    PlusMinus(difference, "perplexity_difference", "perplexity_standard_error", 4),
                    PlusMinus(difference, "mean_loss_difference", "standard_error", 5),
                    OrDash(NumberAt(difference, {"perplexity_ratio"}), 4)});
  }
  return rows.size() > 1 ? report::AlignTable(rows) : std::vector<std::string>();
}

std::vector<std::string> ScoringLines(const Json& json) {
  std::vector<std::string> lines;
  const auto count = IntegerAt(json, {"tokens", "count"});
  const auto chunks = IntegerAt(json, {"tokens", "chunks"});
  if (count && chunks) lines.push_back(absl::StrCat(Thousands(*count), " tokens, ", Thousands(*chunks), " windows"));
  Rows rows;
  for (const char* side : {"base", "quantized"}) {
    const Json& evaluation = report::At(json, {"perplexity", side});
    if (!evaluation.is_object()) continue;
    const auto speed = NumberAt(evaluation, {"tokens_per_second"});
    rows.push_back({side, Printable(TextAt(evaluation, {"dtype"})) + " on " + Printable(TextAt(evaluation, {"device"})),
                    speed ? Decimals(*speed, 0) + " tokens/s" : ""});
  }
  for (const std::string& line : report::AlignTable(rows, 2)) lines.push_back(line);
  return lines;
}

std::vector<std::string> TimeLines(const Json& json) {
  const Json& timings = report::At(json, {"timings"});
  if (!timings.is_object()) return {};
  Rows rows;
  for (const auto& item : timings.items())
    if (const auto seconds = NumberAt(item.value(), {}))
      rows.push_back({Printable(item.key()), report::Duration(*seconds)});
  return report::AlignTable(rows);
}

std::vector<std::string> WorkerLines(const Json& json) {
  Rows rows;
  for (const Json& worker : ListAt(json, {"workers"}))
    rows.push_back({Printable(TextAt(worker, {"id"}, "?")), Printable(TextAt(worker, {"device"})),
                    Thousands(IntegerAt(worker, {"tasks"}).value_or(0)) + " tasks"});
  return report::AlignTable(rows, 2);
}

std::vector<std::string> WarningLines(const Style& style, const Json& json) {
  std::vector<std::string> lines;
  for (const Json& warning : ListAt(json, {"warnings"}))
    if (warning.is_string()) lines.push_back(style.Warning(Printable(warning.get<std::string>())));
  return lines;
}

}  // namespace

std::string RenderText(const Json& report, bool colour) {
  const Style style(colour);
  std::string text = Title(style, report);
  const std::pair<const char*, std::vector<std::string>> sections[] = {
      {"Model", ModelLines(report)},           {"Allocation", AllocationLines(report)},   {"Size", SizeLines(report)},
      {"Perplexity", PerplexityLines(report)}, {"Scoring", ScoringLines(report)},         {"Time", TimeLines(report)},
      {"Workers", WorkerLines(report)},        {"Warnings", WarningLines(style, report)},
  };
  bool first = true;
  for (const auto& [heading, lines] : sections) {
    if (lines.empty()) continue;
    if (!first) text += "\n";
    first = false;
    text += report::Section(style, heading, lines);
  }
  return text;
}

}  // namespace sub1quant
