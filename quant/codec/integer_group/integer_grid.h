// The factors of the integer family's grid (docs/formats.md §9), for CPU and kernels.
#pragma once

#include "core/host_device.h"

namespace sub1quant {

// A row of the table: `count` factors from `low` to `high`.
struct IntegerGridSpec {
  int bits = 0;
  double low = 0, high = 0;
  int count = 0;
};
constexpr IntegerGridSpec kIntegerGrids[] = {{2, 0.25, 1.30, 40}, {3, 0.40, 1.20, 40}, {4, 0.50, 1.15, 40},
                                             {5, 0.75, 1.06, 20}, {6, 0.75, 1.06, 20}, {8, 0.90, 1.02, 12}};
constexpr int kMaxIntegerFactors = 40;

SUB1QUANT_HOST_DEVICE inline float IntegerFactor(const IntegerGridSpec& spec, int j) {
  return static_cast<float>(spec.low + j * (spec.high - spec.low) / (spec.count - 1));
}

}  // namespace sub1quant
