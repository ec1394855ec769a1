// How many tasks to take at once. Cheap ones come several at a time, because asking costs milliseconds; but whoever
// holds tasks that it cannot begin keeps them from idle workers, so a batch is worth about two seconds.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

namespace sub1quant {

class BatchPlanner {
 public:
  static constexpr double kSeconds = 2.0;
  static constexpr int kMaxTasks = 16;

  // `lanes`: tasks that run beside one another.
  explicit BatchPlanner(int lanes = 1) : lanes_(lanes) {}

  // `stage` as StageOf names it.
  void Ran(const std::string& stage, double seconds) {
    // Scoring and export run alone, whatever the lanes.
    if (IsBrief(stage)) seconds /= lanes_;
    const auto [entry, first] = estimates_.emplace(stage, seconds);
    if (!first) entry->second = 0.7 * entry->second + 0.3 * seconds;
    last_ = stage;
  }

  // How many to ask for: what comes next is most likely like what came last.
  int Wish() const {
    const double estimate = Estimate(last_);
    return estimate * kMaxTasks <= kSeconds ? kMaxTasks : std::max(1, static_cast<int>(kSeconds / estimate));
  }

  // How many of these to keep, in their order; at least the first.
  size_t Keep(const std::vector<std::string>& stages) const {
    double sum = 0;
    for (size_t i = 0; i < stages.size(); ++i) {
      sum += Estimate(stages[i]);
      if (i > 0 && sum > kSeconds) return i;
    }
    return stages.size();
  }

 private:
  double Estimate(const std::string& stage) const {
    if (const auto entry = estimates_.find(stage); entry != estimates_.end()) return entry->second;
    return IsBrief(stage) ? 0.25 : kSeconds;
  }
  static bool IsBrief(const std::string& stage) { return stage == "search" || stage == "pack"; }

  const int lanes_;
  std::map<std::string, double> estimates_;
  std::string last_ = "search";
};

}  // namespace sub1quant
