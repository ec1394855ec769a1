// Random candidate tables with what makes allocation hard: ties, dominated candidates, equal sizes, weights.
#pragma once

#include <random>

#include "quant/allocate/allocate.h"

namespace sub1quant::testing {

CandidateTable RandomTable(std::mt19937_64& random, int rows, int candidates);
// A target between the cheapest and the dearest average of `table`, at times exactly one or the other.
double RandomTarget(std::mt19937_64& random, const CandidateTable& table);
// The published rule as it is printed: a scan of everything for each step. Methods by row, or empty if infeasible.
std::vector<std::string> SlowGreedy(const CandidateTable& table, double target_bpw, double* total_bits);

}  // namespace sub1quant::testing
