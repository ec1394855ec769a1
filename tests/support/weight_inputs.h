// Weights for tests of codecs: those of quant/codec/hunting_weights.h, and shapes to put them into.
#pragma once

#include <vector>

#include "quant/codec/hunting_weights.h"

namespace sub1quant::testing {

// The shapes that break things: columns 1, g-1, g, g+1, odd numbers of groups a row, many rows.
struct WeightShape {
  int64_t rows, cols;
};
inline std::vector<WeightShape> OddShapes(int group_size) {
  const int64_t g = group_size;
  return {{1, 1},     {3, 1},         {2, g - 1},  {5, g},  {4, g + 1}, {7, 2 * g - 3},
          {1, 3 * g}, {9, 3 * g + 2}, {33, 2 * g}, {31, 2}, {2, 7 * g}, {6, 5 * g + 31}};
}

}  // namespace sub1quant::testing
