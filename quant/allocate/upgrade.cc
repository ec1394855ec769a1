#include "quant/allocate/upgrade.h"

#include <optional>
#include <queue>
#include <tuple>

namespace sub1quant::allocate {
namespace {

struct Upgrade {
  double rate = 0;
  double reduction = 0;
  double extra_bits = 0;
  int row = 0;
  int option = 0;

  std::tuple<double, double, double, int, int> order() const { return {rate, reduction, -extra_bits, row, option}; }
  friend bool operator<(const Upgrade& a, const Upgrade& b) { return a.order() < b.order(); }
};

std::optional<Upgrade> BestUpgrade(const Problem& problem, int row, int current, double multiplier, double total,
                                   double limit) {
  const std::vector<Option>& options = problem.rows[row];
  std::optional<Upgrade> best;
  for (int j = 0; j < static_cast<int>(options.size()); ++j) {
    const double extra = options[j].bits - options[current].bits;
    const double reduction = options[current].weighted_sse - options[j].weighted_sse;
    if (extra <= 0 || reduction <= 0 || total + extra > limit) continue;
    const Upgrade upgrade{reduction * multiplier / extra, reduction, extra, row, j};
    if (!best || *best < upgrade) best = upgrade;
  }
  return best;
}

}  // namespace

// The heap holds each row's best upgrade as of some earlier total. The total only grows, so upgrades of an unchanged
// row only drop out: an entry that still fits is still its row's best, and one that no longer fits is replaced by the
// row's next.
double UpgradeGreedily(const Problem& problem, double limit, const std::vector<double>& multipliers, Choice& choice) {
  double total = TotalBits(problem, choice);
  std::priority_queue<Upgrade> heap;
  const auto push_best = [&](int row) {
    if (const auto best = BestUpgrade(problem, row, choice[row], multipliers[row], total, limit)) heap.push(*best);
  };
  for (int row = 0; row < static_cast<int>(choice.size()); ++row) push_best(row);
  while (!heap.empty()) {
    const Upgrade top = heap.top();
    heap.pop();
    if (total + top.extra_bits <= limit) {
      total += top.extra_bits;
      choice[top.row] = top.option;
    }
    push_best(top.row);
  }
  return total;
}

}  // namespace sub1quant::allocate
