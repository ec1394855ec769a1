#include "core/thread_budget.h"

#include <atomic>
#include <optional>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace sub1quant {
namespace {

TEST(ThreadBudget, WhoIsAloneGetsAllOrWhatHeAsksFor) {
  ThreadBudget budget(8);
  EXPECT_EQ(budget.Take().threads(), 8);
  EXPECT_EQ(budget.Take(3).threads(), 3);
  EXPECT_EQ(budget.Take(100).threads(), 8);
  EXPECT_EQ(budget.Take(0).threads(), 1);
  EXPECT_EQ(ThreadBudget(0).Take().threads(), 1);
}

TEST(ThreadBudget, HoldersLeaveAShareForTheNext) {
  ThreadBudget budget(8);
  const auto first = budget.Take(1);
  const auto second = budget.Take();
  EXPECT_EQ(second.threads(), 4) << "one holds, one asks";
  const auto third = budget.Take();
  EXPECT_EQ(third.threads(), 2);
  EXPECT_EQ(budget.Take().threads(), 1) << "what is left";
}

TEST(ThreadBudget, NeverMoreThanItHas) {
  ThreadBudget budget(3);
  std::atomic<int> used{0}, most{0}, served{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&, i] {
      for (int n = 0; n < 200; ++n) {
        const ThreadBudget::Grant grant = budget.Take(1 + (i + n) % 4);
        const int now = used += grant.threads();
        for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
        }
        ++served;
        used -= grant.threads();
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(most, 3);
  EXPECT_EQ(served, 1600);
  EXPECT_EQ(budget.Take().threads(), 3);
}

TEST(ThreadBudget, AMovedGrantGivesBackOnce) {
  ThreadBudget budget(2);
  {
    ThreadBudget::Grant first = budget.Take(1);
    const ThreadBudget::Grant second = std::move(first);
    EXPECT_EQ(second.threads(), 1);
  }
  EXPECT_EQ(budget.Take().threads(), 2);
}

}  // namespace
}  // namespace sub1quant
