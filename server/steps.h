// The steps that the server runs itself: one function each, reading what earlier stages left and leaving a document,
// outputs and references.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/job_view.h"
#include "server/service_context.h"

namespace sub1quant {

struct StepResult {
  std::string document;
  std::vector<OutputRecord> outputs;
  std::vector<std::string> warnings;
  std::vector<std::string> references;
};

// inspect, allocate, seal and aggregate.
bool IsServerStep(const std::string& stage);
absl::StatusOr<StepResult> RunServerStep(ServiceContext& context, const JobRecord& job, const JobView& view,
                                         const StageKey& stage);

// The tasks of a stage that workers do.
absl::StatusOr<std::vector<PlannedTask>> PlanStage(const JobView& view, const StageKey& stage);

}  // namespace sub1quant
