// Reports of a job: fetched from its outputs, shown as text or JSON.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "client/context.h"
#include "client/session.h"
#include "core/json.h"

namespace sub1quant {

using Reports = std::vector<std::pair<std::string, Json>>;  // "report.json" or "target-3.0/report.json" → report

absl::StatusOr<Reports> ReadReports(Session& session, const v1::Job& job);

// The reports one after another, for a terminal.
std::string RenderReports(const Reports& reports, bool colour);
// One report itself; several: an array.
Json ReportsToJson(const Reports& reports);

}  // namespace sub1quant
