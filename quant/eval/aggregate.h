// Window scores → perplexities and the paired difference of two models. Sums in window order, with exact sums, so the
// answer does not depend on who scored what when.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "quant/plan/tasks.h"

namespace sub1quant {

struct ProtocolScore {
  double perplexity = 0;  // published: exp(Σ loss·weight / Σ weight); bos_per_window: exp(Σ nll / Σ scored)
  std::vector<double> window_loss;  // mean nll of each window
  std::vector<int64_t> weights;
  int64_t scored_tokens = 0;
};

// `windows` in any order; every index 0..n-1 exactly once, else InvalidArgument.
absl::StatusOr<ProtocolScore> AggregatePublished(std::vector<WindowScore> windows);
absl::StatusOr<ProtocolScore> AggregateBosPerWindow(std::vector<WindowScore> windows);

// Difference of the weighted mean losses (b - a) with its standard error over windows, and the perplexity ratio.
struct PairedDifference {
  double mean_loss_difference = 0;
  double standard_error = 0;
  double perplexity_difference = 0;  // ppl_b - ppl_a
  double perplexity_ratio = 1;
  double perplexity_standard_error = 0;  // of perplexity_difference, delta method
  int64_t windows = 0;
};
absl::StatusOr<PairedDifference> ComparePaired(const ProtocolScore& a, const ProtocolScore& b);

}  // namespace sub1quant
