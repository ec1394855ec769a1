#include "quant/allocate/pareto.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <tuple>
#include <utility>

namespace sub1quant::allocate {
namespace {

// One decision of a partial choice; a chain of them, one a row of the core, is its path.
struct Link {
  int32_t previous = -1;  // index of the link of the row before
  int32_t option = 0;
};
// A partial choice.
struct State {
  long double bits = 0;
  long double sse = 0;
  long double excess = 0;  // sum of reduced costs: bound + excess is the least this can become
  int32_t link = -1;       // of the path up to here
  Link last;               // until the state is known to stay and gets a link of its own
};

struct CoreOption {
  int option = 0;
  long double bits = 0, sse = 0, excess = 0;
};
// A row with more than one option left.
struct CoreRow {
  size_t row = 0;
  std::vector<CoreOption> options;
  long double least_bits = 0;
};

class Search {
 public:
  Search(const Problem& problem, const Relaxation& relaxation, double limit, const Choice& best,
         const SearchLimits& limits)
      : problem_(problem), relaxation_(relaxation), limit_(limit), limits_(limits), best_(best) {
    best_sse_ = TotalWeightedSse(problem, best);
  }

  SearchOutcome Run() {
    BuildCore();
    for (size_t k = 0; k < core_.size() && !states_.empty(); ++k) {
      Extend(core_[k], suffix_bits_[k + 1]);
      RemoveDominated();
      CutToLimit();
      LinkStates();
      TryFirstCompletion(k + 1);
    }
    if (!states_.empty()) AcceptComplete();
    return {best_, std::min(dropped_bound_, static_cast<long double>(best_sse_))};
  }

 private:
  // Room that a solution has to beat the best known one.
  long double room() const { return static_cast<long double>(best_sse_) - relaxation_.bound; }

  void BuildCore() {
    fixed_.assign(problem_.rows.size(), 0);
    State start;
    for (size_t row = 0; row < problem_.rows.size(); ++row) {
      CoreRow core = ReducedRow(row);
      if (core.options.size() > 1) {
        core_.push_back(std::move(core));
        continue;
      }
      const CoreOption& only = core.options[0];
      fixed_[row] = only.option;
      start.bits += only.bits;
      start.sse += only.sse;
      start.excess += only.excess;
    }
    // Rows with the dearest alternatives first: they are decided by few states.
    std::stable_sort(core_.begin(), core_.end(),
                     [](const CoreRow& a, const CoreRow& b) { return Spread(a) > Spread(b); });
    suffix_bits_.assign(core_.size() + 1, 0);
    for (size_t k = core_.size(); k-- > 0;) suffix_bits_[k] = suffix_bits_[k + 1] + core_[k].least_bits;
    states_ = {start};
    size_t options = 1;
    for (const CoreRow& row : core_) options += row.options.size();
    most_states_ = std::max(limits_.least_states, limits_.work / options);
  }

  // Options of a row that a better solution can contain. The one of least priced cost always stays.
  CoreRow ReducedRow(size_t row) const {
    const std::vector<Option>& options = problem_.rows[row];
    long double least = std::numeric_limits<long double>::infinity();
    for (const Option& option : options) least = std::min(least, PricedCost(option, relaxation_.price));
    CoreRow core;
    core.row = row;
    core.least_bits = std::numeric_limits<long double>::infinity();
    for (size_t j = 0; j < options.size(); ++j) {
      const long double excess = PricedCost(options[j], relaxation_.price) - least;
      if (excess > 0 && excess >= room()) continue;
      core.options.push_back({static_cast<int>(j), options[j].bits, options[j].weighted_sse, excess});
      core.least_bits = std::min(core.least_bits, core.options.back().bits);
    }
    return core;
  }

  static long double Spread(const CoreRow& row) {
    long double second = std::numeric_limits<long double>::infinity();
    int zeros = 0;
    for (const CoreOption& option : row.options) {
      if (option.excess > 0) second = std::min(second, option.excess);
      zeros += option.excess <= 0;
    }
    return zeros > 1 ? 0 : second;
  }

  void Extend(const CoreRow& row, long double later_bits) {
    std::vector<State> next;
    next.reserve(states_.size() * row.options.size());
    for (const State& state : states_) {
      for (const CoreOption& option : row.options) {
        const State extended{state.bits + option.bits,
                             state.sse + option.sse,
                             state.excess + option.excess,
                             -1,
                             {state.link, option.option}};
        if (extended.bits + later_bits <= limit_ && extended.excess < room()) next.push_back(extended);
      }
    }
    states_ = std::move(next);
  }

  void LinkStates() {
    for (State& state : states_) {
      state.link = static_cast<int32_t>(links_.size());
      links_.push_back(state.last);
    }
  }

  void RemoveDominated() {
    std::sort(states_.begin(), states_.end(), [](const State& a, const State& b) {
      return std::tie(a.bits, a.sse, a.last.previous) < std::tie(b.bits, b.sse, b.last.previous);
    });
    size_t kept = 0;
    for (const State& state : states_) {
      if (kept > 0 && state.sse >= states_[kept - 1].sse) continue;
      states_[kept++] = state;
    }
    states_.resize(kept);
  }

  void CutToLimit() {
    if (states_.size() <= most_states_) return;
    std::nth_element(
        states_.begin(), states_.begin() + static_cast<ptrdiff_t>(most_states_), states_.end(),
        [](const State& a, const State& b) { return std::tie(a.excess, a.bits) < std::tie(b.excess, b.bits); });
    // nth_element leaves the least excess of the dropped ones at the cut.
    dropped_bound_ = std::min(dropped_bound_, relaxation_.bound + states_[most_states_].excess);
    states_.resize(most_states_);
  }

  // A whole choice from the state of least excess tightens the cut early: the rest as the relaxation has it, if that
  // fits.
  void TryFirstCompletion(size_t decided) {
    if (states_.empty() || decided == core_.size()) return;
    const State& state = *std::min_element(states_.begin(), states_.end(),
                                           [](const State& a, const State& b) { return a.excess < b.excess; });
    Choice choice = Path(state, decided);
    for (size_t k = decided; k < core_.size(); ++k) choice[core_[k].row] = relaxation_.choice[core_[k].row];
    Offer(choice);
  }

  void AcceptComplete() {
    std::sort(states_.begin(), states_.end(), [](const State& a, const State& b) { return a.sse < b.sse; });
    // The sum in the order of the rows can exceed the limit in the last bit where this sum did not: then the next.
    for (const State& state : states_)
      if (Offer(Path(state, core_.size()))) return;
  }

  Choice Path(const State& state, size_t decided) const {
    Choice choice = fixed_;
    int32_t link = state.link;
    for (size_t k = decided; k-- > 0; link = links_[link].previous) choice[core_[k].row] = links_[link].option;
    return choice;
  }

  bool Offer(const Choice& choice) {
    if (TotalBits(problem_, choice) > limit_) return false;
    const double sse = TotalWeightedSse(problem_, choice);
    if (sse < best_sse_) {
      best_sse_ = sse;
      best_ = choice;
    }
    return true;
  }

  const Problem& problem_;
  const Relaxation& relaxation_;
  const double limit_;
  const SearchLimits limits_;
  Choice best_;
  double best_sse_ = 0;

  Choice fixed_;
  std::vector<CoreRow> core_;
  std::vector<long double> suffix_bits_;  // least bits of core rows k and later
  std::vector<State> states_;
  size_t most_states_ = 0;
  std::vector<Link> links_;
  long double dropped_bound_ = std::numeric_limits<long double>::infinity();
};

}  // namespace

SearchOutcome SearchAround(const Problem& problem, const Relaxation& relaxation, double limit, const Choice& best,
                           const SearchLimits& limits) {
  return Search(problem, relaxation, limit, best, limits).Run();
}

}  // namespace sub1quant::allocate
