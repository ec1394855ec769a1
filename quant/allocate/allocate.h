// Allocation: candidate table + budget → one format per matrix (docs/formats.md §6).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/exact_sum.h"

namespace sub1quant {

struct Candidate {
  std::string method;
  double bpw = 0;
  double mse = 0;
};

struct TableRow {
  int64_t index = 0;  // enumeration order of the quantizable matrices
  std::string key;
  int64_t params = 0;
  double activation_weight = 1.0;
  std::vector<Candidate> candidates;
};

struct CandidateTable {
  std::vector<TableRow> rows;
};

struct AllocationOptions {
  double target_bpw = 4.0;
  // Optional per-row prior of the published tool: raw scores (normalised inside), strength 0 = off.
  std::vector<double> prior_scores;
  double prior_strength = 0;
};

struct Allocation {
  std::vector<Candidate> chosen;  // per table row
  double target_bpw = 0;
  double total_bits = 0;  // the running double of the greedy
  double average_bpw = 0;
  double weighted_mse = 0;
  int64_t total_params = 0;
  std::map<std::string, int64_t> method_counts;
  // Least sum of mse * activation_weight * params that any allocation within the budget could have (a lower bound), and
  // this allocation's distance from it: (sum - bound) / bound, 0 when the bound is 0.
  double weighted_sse = 0;
  double bound_weighted_sse = 0;
  double bound_gap = 0;
};

// The published rule, to the last bit of `total_bits`. Infeasible: FailedPrecondition naming the target and the
// smallest reachable average.
absl::StatusOr<Allocation> AllocateGreedy(const CandidateTable& table, const AllocationOptions& options);
// Minimal weighted_sse within target_bpw * total_params + 1e-9 bits, exact up to the reported bound_gap (Lagrangian
// convex hull with fix-up). Never worse than the greedy.
absl::StatusOr<Allocation> AllocateOptimal(const CandidateTable& table, const AllocationOptions& options);
// Tries all combinations: the oracle of the tests, for tables of at most 2^24 combinations.
absl::StatusOr<Allocation> AllocateExhaustive(const CandidateTable& table, const AllocationOptions& options);

// The allocation that takes `method[i]` for row i (uniform, --allocation FILE); NotFound if a row lacks its method.
absl::StatusOr<Allocation> AllocateFixed(const CandidateTable& table, const std::vector<std::string>& methods);

}  // namespace sub1quant
