#include "core/parallel.h"

#include <atomic>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace sub1quant {
namespace {

TEST(ParallelFor, EveryItemOnceWhateverTheThreads) {
  for (const int threads : {1, 2, 3, 8, 64}) {
    for (const int64_t count : {0, 1, 2, 7, 1000}) {
      std::vector<int> times(static_cast<size_t>(count));
      EXPECT_TRUE(ParallelFor(threads, count, [&](int64_t i) {
                    ++times[static_cast<size_t>(i)];  // no lock: a place of its own
                    return absl::OkStatus();
                  }).ok());
      EXPECT_EQ(times, std::vector<int>(static_cast<size_t>(count), 1)) << threads << " threads";
    }
  }
}

TEST(ParallelFor, TheFirstErrorByIndexWinsAndLaterItemsAreLeftOut) {
  for (const int threads : {1, 4}) {
    std::atomic<int> begun{0};
    const absl::Status status = ParallelFor(threads, 100'000, [&](int64_t i) {
      ++begun;
      return i % 10 == 3 ? absl::InternalError(std::to_string(i)) : absl::OkStatus();
    });
    EXPECT_EQ(status, absl::InternalError("3")) << threads << " threads";
    EXPECT_LT(begun, 100'000);
  }
}

TEST(ParallelFor, CallsMayRunBesideEachOther) {
  std::atomic<int64_t> sum{0};
  EXPECT_TRUE(ParallelFor(4, 8, [&](int64_t) {
                return ParallelFor(4, 100, [&](int64_t j) {
                  sum += j;
                  return absl::OkStatus();
                });
              }).ok());
  EXPECT_EQ(sum, 8 * 4950);
}

TEST(AvailableThreads, AtLeastOne) { EXPECT_GE(AvailableThreads(), 1); }

}  // namespace
}  // namespace sub1quant
