#include "quant/allocate/relaxation.h"

#include <algorithm>

namespace sub1quant::allocate {
namespace {

// A step along the lower convex hull of one row's (bits, weighted_sse) points.
struct Step {
  long double slope = 0;  // error reduction per bit, falling along a row
  long double bits = 0;
  int row = 0;
  int to = 0;  // option reached
};

long double Slope(const Option& from, const Option& to) {
  return (static_cast<long double>(from.weighted_sse) - to.weighted_sse) /
         (static_cast<long double>(to.bits) - from.bits);
}

// Options on the hull from the cheapest to the one of least error; slopes strictly falling.
std::vector<int> LowerHull(const std::vector<Option>& options) {
  std::vector<int> hull = {0};
  for (int j = 1; j < static_cast<int>(options.size()); ++j) {
    if (options[j].weighted_sse >= options[hull.back()].weighted_sse) continue;
    if (options[j].bits <= options[hull.back()].bits) {  // equal bits only by rounding: the order is by bpw
      hull.back() = j;
    } else {
      hull.push_back(j);
    }
    while (hull.size() > 2) {
      const Option& a = options[hull[hull.size() - 3]];
      const Option& b = options[hull[hull.size() - 2]];
      const Option& c = options[hull.back()];
      if (Slope(a, b) > Slope(b, c)) break;
      hull.erase(hull.end() - 2);
    }
  }
  return hull;
}

}  // namespace

Relaxation Relax(const Problem& problem, double limit) {
  Relaxation result;
  result.choice.assign(problem.rows.size(), 0);
  std::vector<Step> steps;
  long double total = 0;
  for (int row = 0; row < static_cast<int>(problem.rows.size()); ++row) {
    const std::vector<Option>& options = problem.rows[row];
    const std::vector<int> hull = LowerHull(options);
    result.choice[row] = hull[0];
    total += options[hull[0]].bits;
    for (size_t k = 1; k < hull.size(); ++k) {
      const Option& from = options[hull[k - 1]];
      const Option& to = options[hull[k]];
      steps.push_back({Slope(from, to), static_cast<long double>(to.bits) - from.bits, row, hull[k]});
    }
  }
  std::stable_sort(steps.begin(), steps.end(), [](const Step& a, const Step& b) { return a.slope > b.slope; });
  for (const Step& step : steps) {
    if (total + step.bits > limit) {
      result.price = step.slope;
      break;
    }
    total += step.bits;
    result.choice[step.row] = step.to;
  }
  // Any price gives a valid bound; this one gives the best.
  for (const std::vector<Option>& options : problem.rows) {
    long double least = PricedCost(options[0], result.price);
    for (const Option& option : options) least = std::min(least, PricedCost(option, result.price));
    result.bound += least;
  }
  result.bound = std::max(result.bound - result.price * limit, 0.0L);
  return result;
}

}  // namespace sub1quant::allocate
