// The only way to wait below main: a test's pause moves its clock instead.
#pragma once

#include <memory>

#include "core/clock.h"

namespace sub1quant {

class Pause {
 public:
  virtual ~Pause() = default;
  // Returns at `until`, or at once after Wake (also one that came before).
  virtual void WaitUntil(SteadyTime until) = 0;
  virtual void Wake() = 0;  // from any thread
};

std::unique_ptr<Pause> NewSystemPause();

}  // namespace sub1quant
