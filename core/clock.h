// Time enters everything below main through this interface; state machines take `now` as an argument.
#pragma once

#include <chrono>
#include <memory>

namespace sub1quant {

using SteadyTime = std::chrono::steady_clock::time_point;
using WallTime = std::chrono::system_clock::time_point;

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual SteadyTime Now() const = 0;    // leases, rates
  virtual WallTime WallNow() const = 0;  // only for people: events, reports
};

std::unique_ptr<Clock> NewSystemClock();

}  // namespace sub1quant
