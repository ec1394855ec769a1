// Step 4: candidate table + target → the method of each matrix, as the stage's document.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "quant/plan/specification.h"
#include "server/flow/inspection.h"

namespace sub1quant {

struct Decision {
  std::vector<std::string> methods;  // of inspection.tensors
  std::string allocator;             // greedy, optimal, fixed
  double bound_gap = 0;              // 0 for a fixed allocation
};

// `scan` is empty for a uniform or given allocation. InvalidArgument: the target is out of reach (naming the smallest
// that is not), or a given allocation lacks a matrix.
absl::StatusOr<Decision> Decide(const JobSpecification& specification, const Inspection& inspection,
                                const std::vector<ScanRow>& scan, int target);

std::string DecisionToJson(const Decision& decision);
absl::StatusOr<Decision> DecisionFromJson(const std::string& text);

}  // namespace sub1quant
