// Steps 7 and 8: windows → score tasks, for the base model and for each artifact; and their answers → an Evaluation.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "quant/plan/specification.h"
#include "quant/plan/tasks.h"
#include "server/flow/inspection.h"
#include "server/flow/planned_task.h"

namespace sub1quant {

// `manifest_sha256` "" = the base model. Runs of consecutive windows worth about five seconds, 4 to 32 windows each.
std::vector<PlannedTask> PlanScore(const JobSpecification& specification, const Inspection& inspection,
                                   const std::string& manifest_sha256);

struct ScoredTask {
  ScoreTask task;
  ScoreResult result;
};
// FailedPrecondition if the tasks were scored in different types.
absl::StatusOr<Evaluation> FoldScores(const Inspection& inspection, const JobSpecification& specification,
                                      const std::vector<ScoredTask>& scored);

}  // namespace sub1quant
