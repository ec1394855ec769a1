// One group of weights, widened: what every encoder and the search work on.
#pragma once

#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "quant/codec/arithmetic.h"
#include "quant/codec/codec.h"

namespace sub1quant {

struct WeightGroup {
  int64_t row = 0;
  int64_t index = 0;  // of the group in its row
  int size = 0;       // the group size
  int real = 0;       // positions before the padding, 1..size
  float absmax = 0;
  alignas(64) float weights[kMaxGroupSize];  // `size` values, +0 in the padding
};

// Group `index` of `row`. `matrix` and `group_size` have passed CheckMatrix. A NaN or Inf makes absmax NaN or Inf.
void LoadGroup(const MatrixView& matrix, int group_size, int64_t row, int64_t index, WeightGroup* group);
// InvalidArgument naming row and column for NaN or Inf: no method takes them.
absl::Status CheckFinite(const WeightGroup& group);

// Group size, shape and type of a matrix to encode.
absl::Status CheckMatrix(const MatrixView& matrix, int group_size);
// 1 <= rows, cols, and no size derived from them overflows.
absl::Status CheckShape(int64_t rows, int64_t cols, int group_size);

// Calls body(block, group) for every group of the matrix, rows in order inside a block, blocks spread over `threads`.
// Blocks have an even number of rows, so each starts on a byte in every array of every format, and depend on the shape
// only. The first error by row wins.
int64_t RowBlockCount(const MatrixView& matrix);
absl::Status ForEachGroup(const MatrixView& matrix, int group_size, int threads,
                          const std::function<absl::Status(int64_t block, const WeightGroup& group)>& body);

}  // namespace sub1quant
