#include "quant/eval/aggregate.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>

#include "core/status.h"

namespace sub1quant {
namespace {

// Far above anything real, and small enough that no sum below can leave its 128 bits: 2^16 · 2^24 · 2^22 · 2^60 <
// 2^127.
constexpr double kMaxLoss = 65536;
constexpr int64_t kMaxWindowTokens = int64_t{1} << 24;
constexpr size_t kMaxWindows = size_t{1} << 22;

absl::Status CheckWindow(const WindowScore& window, size_t expected_index) {
  const std::string name = "window " + std::to_string(window.index) + ": ";
  if (window.index != static_cast<int64_t>(expected_index))
    return absl::InvalidArgumentError(name + "twice, or window " + std::to_string(expected_index) + " is missing");
  if (window.scored < 1 || window.scored > kMaxWindowTokens || window.weight < 1 || window.weight > kMaxWindowTokens)
    return absl::InvalidArgumentError(name + std::to_string(window.scored) + " scored tokens with weight " +
                                      std::to_string(window.weight) + " are impossible");
  const double loss = window.nll.ToDouble() / static_cast<double>(window.scored);
  if (!(std::abs(loss) <= kMaxLoss))
    return absl::InvalidArgumentError(name + "mean loss " + std::to_string(loss) + " is impossible");
  return absl::OkStatus();
}

absl::StatusOr<double> Perplexity(double mean_loss) {
  const double perplexity = std::exp(mean_loss);
  if (!std::isfinite(perplexity))
    return absl::OutOfRangeError("non-finite perplexity: mean loss " + std::to_string(mean_loss));
  return perplexity;
}

// Sorts, checks, and fills everything but the perplexity.
absl::StatusOr<ProtocolScore> Collect(std::vector<WindowScore>& windows,
                                      const std::function<int64_t(const WindowScore&)>& weight) {
  if (windows.empty()) return absl::InvalidArgumentError("no windows");
  if (windows.size() > kMaxWindows)
    return absl::InvalidArgumentError(std::to_string(windows.size()) + " windows, at most " +
                                      std::to_string(kMaxWindows) + " are accepted");
  std::sort(windows.begin(), windows.end(), [](const auto& a, const auto& b) { return a.index < b.index; });
  ProtocolScore score;
  for (size_t i = 0; i < windows.size(); ++i) {
    SUB1QUANT_RETURN_IF_ERROR(CheckWindow(windows[i], i));
    score.window_loss.push_back(windows[i].nll.ToDouble() / static_cast<double>(windows[i].scored));
    score.weights.push_back(weight(windows[i]));
    score.scored_tokens += windows[i].scored;
  }
  return score;
}

double TotalWeight(const ProtocolScore& score) {
  int64_t total = 0;
  for (const int64_t weight : score.weights) total += weight;
  return static_cast<double>(total);
}

// Σ weight·value / Σ weight
double WeightedMean(const std::vector<double>& values, const ProtocolScore& weights) {
  ExactSum sum;
  for (size_t i = 0; i < values.size(); ++i) sum.Add(values[i] * static_cast<double>(weights.weights[i]));
  return sum.ToDouble() / TotalWeight(weights);
}

// Of the weighted mean of `values` as an estimate from independent windows; 0 from a single window.
double StandardError(const std::vector<double>& values, double mean, const ProtocolScore& weights) {
  const auto count = static_cast<double>(values.size());
  if (values.size() < 2) return 0;
  const double total = TotalWeight(weights);
  double sum = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const double share = static_cast<double>(weights.weights[i]) / total;
    sum += share * share * (values[i] - mean) * (values[i] - mean);
  }
  return std::sqrt(sum * count / (count - 1));
}

// Scores also come from reports that somebody sent.
absl::Status CheckScore(const ProtocolScore& score) {
  if (score.window_loss.empty() || score.window_loss.size() > kMaxWindows ||
      score.weights.size() != score.window_loss.size())
    return absl::InvalidArgumentError("a score with " + std::to_string(score.window_loss.size()) + " losses and " +
                                      std::to_string(score.weights.size()) + " weights");
  for (size_t i = 0; i < score.weights.size(); ++i)
    if (!(std::abs(score.window_loss[i]) <= kMaxLoss) || score.weights[i] < 1 || score.weights[i] > kMaxWindowTokens)
      return absl::InvalidArgumentError("window " + std::to_string(i) + ": loss " +
                                        std::to_string(score.window_loss[i]) + " with weight " +
                                        std::to_string(score.weights[i]) + " is impossible");
  if (!(score.perplexity > 0) || !std::isfinite(score.perplexity))
    return absl::InvalidArgumentError("perplexity " + std::to_string(score.perplexity) + " is impossible");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ProtocolScore> AggregatePublished(std::vector<WindowScore> windows) {
  SUB1QUANT_ASSIGN_OR_RETURN(ProtocolScore score, Collect(windows, [](const auto& window) { return window.weight; }));
  SUB1QUANT_ASSIGN_OR_RETURN(score.perplexity, Perplexity(WeightedMean(score.window_loss, score)));
  return score;
}

absl::StatusOr<ProtocolScore> AggregateBosPerWindow(std::vector<WindowScore> windows) {
  SUB1QUANT_ASSIGN_OR_RETURN(ProtocolScore score, Collect(windows, [](const auto& window) { return window.scored; }));
  ExactSum total;
  for (const WindowScore& window : windows) total.Add(window.nll);
  SUB1QUANT_ASSIGN_OR_RETURN(score.perplexity, Perplexity(total.ToDouble() / static_cast<double>(score.scored_tokens)));
  return score;
}

absl::StatusOr<PairedDifference> ComparePaired(const ProtocolScore& a, const ProtocolScore& b) {
  SUB1QUANT_RETURN_IF_ERROR(CheckScore(a));
  SUB1QUANT_RETURN_IF_ERROR(CheckScore(b));
  const size_t count = a.window_loss.size();
  if (a.weights != b.weights)
    return absl::InvalidArgumentError("the two scores are not of the same windows: " + std::to_string(count) + " and " +
                                      std::to_string(b.window_loss.size()) + ", or other weights");
  std::vector<double> loss(count), perplexity(count);
  for (size_t i = 0; i < count; ++i) {
    loss[i] = b.window_loss[i] - a.window_loss[i];
    // What the window adds to ppl_b - ppl_a to first order, as d exp(L) = exp(L) dL.
    perplexity[i] = b.perplexity * b.window_loss[i] - a.perplexity * a.window_loss[i];
  }
  PairedDifference difference;
  difference.windows = static_cast<int64_t>(count);
  difference.mean_loss_difference = WeightedMean(loss, a);
  difference.standard_error = StandardError(loss, difference.mean_loss_difference, a);
  difference.perplexity_difference = b.perplexity - a.perplexity;
  difference.perplexity_ratio = b.perplexity / a.perplexity;
  const double mean = b.perplexity * WeightedMean(b.window_loss, b) - a.perplexity * WeightedMean(a.window_loss, a);
  difference.perplexity_standard_error = StandardError(perplexity, mean, a);
  return difference;
}

}  // namespace sub1quant
