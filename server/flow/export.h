// Step 10: a sealed manifest → the task that writes checkpoint.pt.
#pragma once

#include <string>
#include <vector>

#include "quant/plan/specification.h"
#include "server/flow/planned_task.h"

namespace sub1quant {

std::vector<PlannedTask> PlanExport(const JobSpecification& specification, const std::string& manifest_sha256,
                                    double model_parameters);

}  // namespace sub1quant
