#include "core/compute_threads.h"

#include <atomic>
#include <latch>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace sub1quant {
namespace {

constexpr auto kGiven = [](int threads) { return threads; };

TEST(ComputeThreads, WhoIsAloneGetsAllOrWhatHeAsksFor) {
  ComputeThreads cpu(8);
  EXPECT_EQ(cpu.Run(kGiven), 8);
  EXPECT_EQ(cpu.Run(kGiven, 3), 3);
  EXPECT_EQ(cpu.Run(kGiven, 100), 8);
  EXPECT_EQ(cpu.Run(kGiven, 0), 1);
  EXPECT_EQ(ComputeThreads(0).Run(kGiven), 1);
}

// Work that runs until it is told to end.
class Held {
 public:
  Held(ComputeThreads& cpu, int most) : thread_([this, &cpu, most] { Hold(cpu, most); }) { begun_.wait(); }
  ~Held() {
    end_.count_down();
    thread_.join();
  }
  int threads() const { return threads_; }

 private:
  void Hold(ComputeThreads& cpu, int most) {
    cpu.Run(
        [this](int threads) {
          threads_ = threads;
          begun_.count_down();
          end_.wait();
        },
        most);
  }

  std::latch begun_{1}, end_{1};
  std::atomic<int> threads_{0};
  std::thread thread_;
};

TEST(ComputeThreads, WhoRunsLeavesAShareForTheNext) {
  ComputeThreads cpu(8);
  const Held first(cpu, 1);
  const Held second(cpu, ComputeThreads::kAll);
  EXPECT_EQ(second.threads(), 4) << "one runs, one asks";
  const Held third(cpu, ComputeThreads::kAll);
  EXPECT_EQ(third.threads(), 2);
  EXPECT_EQ(cpu.Run(kGiven), 1) << "what is left";
}

TEST(ComputeThreads, NeverMoreThanThereAre) {
  ComputeThreads cpu(3);
  std::atomic<int> used{0}, most{0}, served{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 8; ++i)
    callers.emplace_back([&, i] {
      for (int n = 0; n < 200; ++n)
        cpu.Run(
            [&](int threads) {
              const int now = used += threads;
              for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
              }
              ++served;
              used -= threads;
            },
            1 + (i + n) % 4);
    });
  for (std::thread& caller : callers) caller.join();
  EXPECT_LE(most, 3);
  EXPECT_EQ(served, 1600);
  EXPECT_EQ(cpu.Run(kGiven), 3) << "all given back";
}

// Two pieces that wait for each other: with one at a time the test would not end.
TEST(ComputeThreads, AsManyPiecesAtOnceAsThreads) {
  ComputeThreads cpu(2);
  std::latch together(2);
  std::vector<std::thread> callers;
  for (int i = 0; i < 2; ++i) callers.emplace_back([&] { cpu.Run([&](int) { together.arrive_and_wait(); }, 1); });
  for (std::thread& caller : callers) caller.join();
}

TEST(ComputeThreads, SignsOfLifeAreTheCallers) {
  ComputeThreads cpu(1);
  Heartbeat heartbeat;
  const Heartbeat::Adopt adopt(&heartbeat);
  EXPECT_EQ(cpu.Run([](int) { return Heartbeat::OfThread(); }), &heartbeat);
}

}  // namespace
}  // namespace sub1quant
