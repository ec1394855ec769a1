// Lagrangian relaxation of the allocation: a price per bit that makes the rows independent.
#pragma once

#include <vector>

#include "quant/allocate/problem.h"

namespace sub1quant::allocate {

struct Relaxation {
  long double price = 0;  // weighted_sse per bit, the slope of the convex hulls at the budget; 0 if everything fits
  // sum over rows of min(weighted_sse + price * bits) - price * limit: no choice within the limit can be below.
  long double bound = 0;
  // Choice that reaches the row minima, the cheaper option where two reach one; within the limit.
  Choice choice;
};

// `limit` admits the cheapest choice. O(n log n) over all options.
Relaxation Relax(const Problem& problem, double limit);

// weighted_sse + price * bits of one option.
inline long double PricedCost(const Option& option, long double price) {
  return static_cast<long double>(option.weighted_sse) + price * static_cast<long double>(option.bits);
}

}  // namespace sub1quant::allocate
