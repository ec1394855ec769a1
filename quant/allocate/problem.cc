#include "quant/allocate/problem.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/status.h"

namespace sub1quant::allocate {
namespace {

// Tolerance of the published rule, in bits.
constexpr double kBitTolerance = 1e-9;

bool IsAmount(double value) { return std::isfinite(value) && value >= 0; }

absl::Status CheckRow(const TableRow& row) {
  const std::string name = absl::StrCat("allocation: matrix ", row.index, " '", row.key, "'");
  if (row.params < 1)
    return absl::InvalidArgumentError(absl::StrCat(name, ": ", row.params, " weights, need at least 1"));
  if (!IsAmount(row.activation_weight))
    return absl::InvalidArgumentError(
        absl::StrCat(name, ": activation weight ", row.activation_weight, ", need a number of at least 0"));
  if (row.candidates.empty()) return absl::InvalidArgumentError(absl::StrCat(name, ": no candidate format"));
  for (const Candidate& candidate : row.candidates) {
    if (!IsAmount(candidate.bpw) || !IsAmount(candidate.mse))
      return absl::InvalidArgumentError(absl::StrCat(name, ": ", candidate.method, ": bpw ", candidate.bpw, ", mse ",
                                                     candidate.mse, ", need numbers of at least 0"));
  }
  return absl::OkStatus();
}

std::vector<Option> SortedOptions(const TableRow& row) {
  std::vector<Option> options;
  const double params = static_cast<double>(row.params);
  for (const Candidate& candidate : row.candidates) {
    Option option;
    option.candidate = &candidate;
    option.weighted_mse = candidate.mse * row.activation_weight;
    option.bits = candidate.bpw * params;
    option.weighted_sse = option.weighted_mse * params;
    options.push_back(option);
  }
  std::stable_sort(options.begin(), options.end(), [](const Option& a, const Option& b) {
    return std::tie(a.candidate->bpw, a.weighted_mse, a.candidate->method) <
           std::tie(b.candidate->bpw, b.weighted_mse, b.candidate->method);
  });
  return options;
}

}  // namespace

absl::StatusOr<Problem> MakeProblem(const CandidateTable& table) {
  if (table.rows.empty()) return absl::InvalidArgumentError("allocation: the table has no matrix");
  Problem problem;
  double largest_bits = 0;
  double largest_sse = 0;
  for (const TableRow& row : table.rows) {
    SUB1QUANT_RETURN_IF_ERROR(CheckRow(row));
    if (__builtin_add_overflow(problem.total_params, row.params, &problem.total_params))
      return absl::InvalidArgumentError("allocation: more than 2^63 weights in total");
    problem.rows.push_back(SortedOptions(row));
    const std::vector<Option>& options = problem.rows.back();
    largest_bits += options.back().bits;
    double worst = 0;
    for (const Option& option : options) worst = std::max(worst, option.weighted_sse);
    largest_sse += worst;
  }
  if (!std::isfinite(largest_bits) || !std::isfinite(largest_sse))
    return absl::InvalidArgumentError("allocation: the sums of bits or errors exceed the range of a double");
  return problem;
}

absl::StatusOr<double> BitLimit(const Problem& problem, double target_bpw) {
  if (!std::isfinite(target_bpw) || target_bpw <= 0)
    return absl::InvalidArgumentError(
        absl::StrCat("target of ", target_bpw, " bits per weight, need a positive number"));
  return target_bpw * static_cast<double>(problem.total_params) + kBitTolerance;
}

absl::Status CheckFeasible(const Problem& problem, double target_bpw, double limit) {
  const double cheapest = TotalBits(problem, Choice(problem.rows.size(), 0));
  if (cheapest <= limit) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrFormat("target of %.9g bits per weight is below %.9g, the smallest average that these formats reach",
                      target_bpw, cheapest / static_cast<double>(problem.total_params)));
}

double TotalBits(const Problem& problem, const Choice& choice) {
  double sum = 0;
  for (size_t i = 0; i < choice.size(); ++i) sum += problem.rows[i][choice[i]].bits;
  return sum;
}

double TotalWeightedSse(const Problem& problem, const Choice& choice) {
  double sum = 0;
  for (size_t i = 0; i < choice.size(); ++i) sum += problem.rows[i][choice[i]].weighted_sse;
  return sum;
}

Allocation MakeAllocation(const Problem& problem, const Choice& choice, double target_bpw, double total_bits,
                          double bound) {
  Allocation allocation;
  for (size_t i = 0; i < choice.size(); ++i) {
    allocation.chosen.push_back(*problem.rows[i][choice[i]].candidate);
    ++allocation.method_counts[allocation.chosen.back().method];
  }
  const double params = static_cast<double>(problem.total_params);
  allocation.target_bpw = target_bpw;
  allocation.total_bits = total_bits;
  allocation.average_bpw = total_bits / params;
  allocation.total_params = problem.total_params;
  allocation.weighted_sse = TotalWeightedSse(problem, choice);
  allocation.weighted_mse = allocation.weighted_sse / params;
  allocation.bound_weighted_sse = std::clamp(bound, 0.0, allocation.weighted_sse);
  if (allocation.bound_weighted_sse > 0)
    allocation.bound_gap = (allocation.weighted_sse - allocation.bound_weighted_sse) / allocation.bound_weighted_sse;
  return allocation;
}

}  // namespace sub1quant::allocate
