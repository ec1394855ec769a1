// A candidate table checked and prepared: the numbers that every allocator works on.
#pragma once

#include <vector>

#include "quant/allocate/allocate.h"

namespace sub1quant::allocate {

// One candidate of one row, in the units of the budget.
struct Option {
  const Candidate* candidate = nullptr;  // in the caller's table
  double weighted_mse = 0;               // mse * activation_weight
  double bits = 0;                       // bpw * params
  double weighted_sse = 0;               // weighted_mse * params
};

// Options of each row sorted by (bpw, weighted_mse, method), as the published rule does; so [0] is the cheapest.
struct Problem {
  std::vector<std::vector<Option>> rows;
  int64_t total_params = 0;
};

// Index of the chosen option for each row.
using Choice = std::vector<int>;

// InvalidArgument naming row and value: no rows, no candidates, params < 1, a number that is negative or not finite.
absl::StatusOr<Problem> MakeProblem(const CandidateTable& table);

// Greatest sum of bits that a target admits: target_bpw * total_params + 1e-9. InvalidArgument if the target is not a
// positive number.
absl::StatusOr<double> BitLimit(const Problem& problem, double target_bpw);

// FailedPrecondition naming target and smallest reachable average if even the cheapest choice is above `limit`.
absl::Status CheckFeasible(const Problem& problem, double target_bpw, double limit);

// Sums over the rows in their order, as running doubles.
double TotalBits(const Problem& problem, const Choice& choice);
double TotalWeightedSse(const Problem& problem, const Choice& choice);

// The answer for `choice`. `total_bits` is the caller's (the greedy's running sum can differ in the last bit). A bound
// above the choice's own sum, possible only by rounding, is lowered to it.
Allocation MakeAllocation(const Problem& problem, const Choice& choice, double target_bpw, double total_bits,
                          double bound);

}  // namespace sub1quant::allocate
