// A task as the pure steps plan it; the conductor gives it its bytes.
#pragma once

#include <string>

#include "quant/plan/tasks.h"

namespace sub1quant {

struct PlannedTask {
  Task task;
  std::string action_key;
  std::string description;
  double cost = 0;       // estimated seconds on one CPU core
  std::string affinity;  // of score tasks
};

}  // namespace sub1quant
