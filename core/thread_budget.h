// How many threads of this process compute at the same time. Whoever computes takes threads from the budget and gives
// them back; whoever waits for a disk or a server holds none.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <utility>

namespace sub1quant {

// Thread-safe. Outlives its grants.
class ThreadBudget {
 public:
  // Threads that are ours until this goes out of scope.
  class Grant {
   public:
    Grant(Grant&& other) noexcept
        : budget_(std::exchange(other.budget_, nullptr)), threads_(std::exchange(other.threads_, 0)) {}
    Grant& operator=(Grant&&) = delete;
    ~Grant() {
      if (budget_ != nullptr) budget_->GiveBack(threads_);
    }
    int threads() const { return threads_; }

   private:
    friend class ThreadBudget;
    Grant(ThreadBudget* budget, int threads) : budget_(budget), threads_(threads) {}
    ThreadBudget* budget_;
    int threads_;
  };

  // At least one thread.
  explicit ThreadBudget(int threads);
  int threads() const { return total_; }

  // Waits its turn, first come first served; then a fair share of the budget, at least one thread and at most `most`:
  // all of it for who is alone.
  Grant Take(int most = 1 << 30);

 private:
  void GiveBack(int threads);

  const int total_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int free_;              // guarded by mutex_, as what follows
  int holders_ = 0;       // grants that live
  uint64_t arrived_ = 0;  // numbers of the queue
  uint64_t served_ = 0;
};

}  // namespace sub1quant
