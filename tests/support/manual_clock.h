// A clock that moves when the test says so.
#pragma once

#include <chrono>
#include <mutex>

#include "core/clock.h"

namespace sub1quant::testing {

// Thread-safe. The wall clock moves along, from 2001-09-09 on.
class ManualClock final : public Clock {
 public:
  SteadyTime Now() const override { return SteadyTime(std::chrono::hours(1)) + Passed(); }
  WallTime WallNow() const override {
    return WallTime(std::chrono::seconds(1'000'000'000)) + std::chrono::duration_cast<WallTime::duration>(Passed());
  }
  void Advance(std::chrono::milliseconds by) {
    const std::lock_guard<std::mutex> lock(mutex_);
    passed_ += by;
  }

 private:
  std::chrono::milliseconds Passed() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return passed_;
  }
  mutable std::mutex mutex_;
  std::chrono::milliseconds passed_{0};
};

}  // namespace sub1quant::testing
