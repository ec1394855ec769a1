#include "client/reports.h"

#include <algorithm>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "core/status.h"
#include "quant/report/report.h"

namespace sub1quant {
namespace {

double TargetOf(const std::pair<std::string, Json>& report) {
  const Json& allocation = report.second.value("allocation", Json());
  if (!allocation.is_object() || !allocation.contains("target_bpw") || !allocation["target_bpw"].is_number()) return 0;
  return allocation["target_bpw"].get<double>();
}

}  // namespace

absl::StatusOr<Reports> ReadReports(Session& session, const v1::Job& job) {
  Reports reports;
  for (const v1::Output& output : job.outputs()) {
    if (std::filesystem::path(output.path()).filename() != "report.json") continue;
    SUB1QUANT_ASSIGN_OR_RETURN(const std::string text, session.ReadOutput(output));
    absl::StatusOr<Json> report = ParseJson(text);
    if (!report.ok()) return Annotate(report.status(), output.path());
    reports.emplace_back(output.path(), *std::move(report));
  }
  // Of several targets: as they were asked for. The paths sort "target-3.5" before "target-3".
  std::stable_sort(reports.begin(), reports.end(),
                   [](const auto& a, const auto& b) { return TargetOf(a) < TargetOf(b); });
  return reports;
}

std::string RenderReports(const Reports& reports, bool colour) {
  std::string text;
  for (const auto& [path, report] : reports) {
    if (!text.empty()) text += "\n";
    text += RenderText(report, colour);
  }
  return text;
}

Json ReportsToJson(const Reports& reports) {
  if (reports.size() == 1) return reports.front().second;
  Json array = Json::array();
  for (const auto& [path, report] : reports) array.push_back(report);
  return array;
}

}  // namespace sub1quant
