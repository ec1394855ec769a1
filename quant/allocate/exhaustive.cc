#include "absl/strings/str_cat.h"
#include "core/status.h"
#include "quant/allocate/problem.h"

namespace sub1quant {
namespace {

constexpr uint64_t kMostCombinations = uint64_t{1} << 24;

absl::Status CheckSize(const allocate::Problem& problem) {
  uint64_t combinations = 1;
  for (const auto& options : problem.rows) {
    combinations *= options.size();
    if (combinations > kMostCombinations)
      return absl::InvalidArgumentError(
          absl::StrCat("allocation: more than ", kMostCombinations, " combinations to try, use greedy or optimal"));
  }
  return absl::OkStatus();
}

// Counts up like an odometer; false after the last.
bool Next(const allocate::Problem& problem, allocate::Choice& choice) {
  for (size_t i = choice.size(); i-- > 0;) {
    if (++choice[i] < static_cast<int>(problem.rows[i].size())) return true;
    choice[i] = 0;
  }
  return false;
}

}  // namespace

absl::StatusOr<Allocation> AllocateExhaustive(const CandidateTable& table, const AllocationOptions& options) {
  SUB1QUANT_ASSIGN_OR_RETURN(const allocate::Problem problem, allocate::MakeProblem(table));
  SUB1QUANT_ASSIGN_OR_RETURN(const double limit, allocate::BitLimit(problem, options.target_bpw));
  SUB1QUANT_RETURN_IF_ERROR(allocate::CheckFeasible(problem, options.target_bpw, limit));
  SUB1QUANT_RETURN_IF_ERROR(CheckSize(problem));
  allocate::Choice choice(problem.rows.size(), 0);
  allocate::Choice best = choice;
  double best_sse = allocate::TotalWeightedSse(problem, best);
  while (Next(problem, choice)) {
    if (allocate::TotalBits(problem, choice) > limit) continue;
    const double sse = allocate::TotalWeightedSse(problem, choice);
    if (sse >= best_sse) continue;
    best_sse = sse;
    best = choice;
  }
  return allocate::MakeAllocation(problem, best, options.target_bpw, allocate::TotalBits(problem, best), best_sse);
}

}  // namespace sub1quant
