// Weights for tests of codecs: those of quant/codec/hunting_weights.h, and shapes to put them into.
#pragma once

#include <cmath>
#include <string>
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

// The largest absmax whose scale `method` can store (docs/formats.md §1 and §9); the next float32 is refused.
inline float LargestAbsmax(const std::string& method) {
  const float codes = method == "groupwise_int4"           ? 7.0f
                      : method.compare(0, 5, "int2_") == 0 ? 1.0f
                                                           : std::ldexp(1.0f, std::stoi(method.substr(3)) - 1);
  float absmax = 65520.0f * codes;  // the middle between the largest float16 and what would be the next
  while (absmax / codes >= 65520.0f) absmax = std::nextafter(absmax, 0.0f);
  return absmax;
}

// F32 weights of all sizes up to `absmax`, which stands in group 4 (row 1, the second of three).
inline WeightMatrix WeightsUpTo(float absmax, int group_size) {
  WeightMatrix matrix = WeightSource(17).Matrix(DType::kF32, 3, 2 * group_size + 5, group_size);
  std::mt19937 random(17);
  std::uniform_real_distribution<float> share(-1.0f, 1.0f);
  for (int64_t i = 0; i < matrix.size(); i += 3) matrix.Set(i, share(random) * absmax * 0.999f);
  matrix.Set(matrix.cols + group_size + 7, -absmax);
  return matrix;
}

}  // namespace sub1quant::testing
