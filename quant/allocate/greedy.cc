#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "core/status.h"
#include "quant/allocate/problem.h"
#include "quant/allocate/relaxation.h"
#include "quant/allocate/upgrade.h"

namespace sub1quant {
namespace {

// Scores closer together than this say nothing.
constexpr double kLeastSpan = 1e-12;

// 1 + strength * score normalised to [0, 1].
absl::StatusOr<std::vector<double>> Multipliers(const AllocationOptions& options, size_t rows) {
  std::vector<double> multipliers(rows, 1.0);
  if (options.prior_scores.empty()) return multipliers;
  if (options.prior_scores.size() != rows)
    return absl::InvalidArgumentError(
        absl::StrCat("allocation: ", options.prior_scores.size(), " prior scores for ", rows, " matrices"));
  if (!std::isfinite(options.prior_strength) || options.prior_strength < 0)
    return absl::InvalidArgumentError(
        absl::StrCat("allocation: prior strength ", options.prior_strength, ", need a number of at least 0"));
  for (const double score : options.prior_scores)
    if (!std::isfinite(score)) return absl::InvalidArgumentError("allocation: a prior score is not finite");
  const auto [low, high] = std::minmax_element(options.prior_scores.begin(), options.prior_scores.end());
  const double span = *high - *low;
  for (size_t i = 0; i < rows; ++i) {
    const double normalised = span < kLeastSpan ? 0.0 : (options.prior_scores[i] - *low) / span;
    multipliers[i] = 1.0 + options.prior_strength * normalised;
  }
  return multipliers;
}

}  // namespace

absl::StatusOr<Allocation> AllocateGreedy(const CandidateTable& table, const AllocationOptions& options) {
  SUB1QUANT_ASSIGN_OR_RETURN(const allocate::Problem problem, allocate::MakeProblem(table));
  SUB1QUANT_ASSIGN_OR_RETURN(const double limit, allocate::BitLimit(problem, options.target_bpw));
  SUB1QUANT_RETURN_IF_ERROR(allocate::CheckFeasible(problem, options.target_bpw, limit));
  SUB1QUANT_ASSIGN_OR_RETURN(const std::vector<double> multipliers, Multipliers(options, problem.rows.size()));
  allocate::Choice choice(problem.rows.size(), 0);
  const double total_bits = allocate::UpgradeGreedily(problem, limit, multipliers, choice);
  const allocate::Relaxation relaxation = allocate::Relax(problem, limit);
  return allocate::MakeAllocation(problem, choice, options.target_bpw, total_bits,
                                  static_cast<double>(relaxation.bound));
}

}  // namespace sub1quant
