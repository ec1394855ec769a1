// Exact search around the relaxation: lists of undominated partial choices, cut by the relaxation's bound.
#pragma once

#include "quant/allocate/problem.h"
#include "quant/allocate/relaxation.h"

namespace sub1quant::allocate {

struct SearchLimits {
  // Partial choices made in all, about half a second on one core. Divided by the options it gives the states kept after
  // each row.
  size_t work = 4'000'000;
  size_t least_states = 64;
};

struct SearchOutcome {
  Choice choice;          // the best known: at least as good as the one given
  long double bound = 0;  // no choice within the limit has a smaller weighted_sse
};

// `best` is a choice within the limit. A choice costs bound + sum of (priced cost - least priced cost of the row) or
// more, so options and partial choices above the best known are cut; what remains is small unless the table is full of
// near ties. If no state had to be dropped the outcome is optimal.
SearchOutcome SearchAround(const Problem& problem, const Relaxation& relaxation, double limit, const Choice& best,
                           const SearchLimits& limits);

}  // namespace sub1quant::allocate
