// Step 5: each matrix in the format that was decided → one pack task.
#pragma once

#include <vector>

#include "quant/plan/specification.h"
#include "server/flow/allocate.h"
#include "server/flow/inspection.h"
#include "server/flow/planned_task.h"

namespace sub1quant {

std::vector<PlannedTask> PlanPack(const JobSpecification& specification, const Inspection& inspection,
                                  const Decision& decision);

}  // namespace sub1quant
