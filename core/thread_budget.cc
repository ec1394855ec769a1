#include "core/thread_budget.h"

#include <algorithm>

namespace sub1quant {

ThreadBudget::ThreadBudget(int threads) : total_(std::max(1, threads)), free_(total_) {}

ThreadBudget::Grant ThreadBudget::Take(int most) {
  std::unique_lock<std::mutex> lock(mutex_);
  const uint64_t mine = arrived_++;
  changed_.wait(lock, [&] { return served_ == mine && free_ > 0; });
  const auto wanting = static_cast<int64_t>(arrived_ - served_) + holders_;
  const auto share = static_cast<int>(std::max<int64_t>(1, total_ / wanting));
  const int threads = std::max(1, std::min({share, free_, most}));
  free_ -= threads;
  ++holders_;
  ++served_;
  if (free_ > 0) changed_.notify_all();
  return Grant(this, threads);
}

void ThreadBudget::GiveBack(int threads) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    free_ += threads;
    --holders_;
  }
  changed_.notify_all();
}

}  // namespace sub1quant
