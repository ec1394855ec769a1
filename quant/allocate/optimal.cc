#include <vector>

#include "core/status.h"
#include "quant/allocate/pareto.h"
#include "quant/allocate/problem.h"
#include "quant/allocate/relaxation.h"
#include "quant/allocate/upgrade.h"

namespace sub1quant {

absl::StatusOr<Allocation> AllocateOptimal(const CandidateTable& table, const AllocationOptions& options) {
  SUB1QUANT_ASSIGN_OR_RETURN(const allocate::Problem problem, allocate::MakeProblem(table));
  SUB1QUANT_ASSIGN_OR_RETURN(const double limit, allocate::BitLimit(problem, options.target_bpw));
  SUB1QUANT_RETURN_IF_ERROR(allocate::CheckFeasible(problem, options.target_bpw, limit));
  const allocate::Relaxation relaxation = allocate::Relax(problem, limit);

  // Two starts: the published rule, and the relaxation with its spare bits spent by the same rule.
  const std::vector<double> multipliers(problem.rows.size(), 1.0);
  allocate::Choice best(problem.rows.size(), 0);
  allocate::UpgradeGreedily(problem, limit, multipliers, best);
  allocate::Choice rounded = relaxation.choice;
  allocate::UpgradeGreedily(problem, limit, multipliers, rounded);
  if (allocate::TotalBits(problem, rounded) <= limit &&
      allocate::TotalWeightedSse(problem, rounded) < allocate::TotalWeightedSse(problem, best))
    best = rounded;

  const allocate::SearchOutcome outcome = allocate::SearchAround(problem, relaxation, limit, best, {});
  return allocate::MakeAllocation(problem, outcome.choice, options.target_bpw,
                                  allocate::TotalBits(problem, outcome.choice), static_cast<double>(outcome.bound));
}

}  // namespace sub1quant
