// The published upgrade rule, run from any starting choice.
#pragma once

#include <vector>

#include "quant/allocate/problem.h"

namespace sub1quant::allocate {

// Repeats until nothing is left: over all rows and options that cost more bits than the current one, keep the total
// within `limit` and reduce weighted_sse, take the largest
//   (error_reduction * multiplier[row] / extra_bits, error_reduction, -extra_bits, row, option).
// Changes `choice` and returns the running total of bits. O(rows * options^2 * log(rows)).
double UpgradeGreedily(const Problem& problem, double limit, const std::vector<double>& multipliers, Choice& choice);

}  // namespace sub1quant::allocate
