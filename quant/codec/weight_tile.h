// Sixteen groups of one matrix side by side: what encoders and the search work on. A vector of a kernel holds the same
// position of different groups, so scales, choices and sums need no horizontal step, whatever the width of the vector.
#pragma once

#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "quant/codec/arithmetic.h"
#include "quant/codec/codec.h"

namespace sub1quant {

struct Implementation;

constexpr int kTileLanes = 16;

struct WeightTile {
  int group_size = 0;
  int lanes = 0;                                          // in use, 1..16; the others hold groups of zeros
  bool padded = false;                                    // a lane in use has real < group_size
  int64_t first = 0;                                      // lane l is group `first + l` of the matrix, rows in order
  int64_t groups_per_row = 0;                             // of the matrix
  alignas(64) int32_t real[kTileLanes];                   // positions before the padding, 1..group_size
  alignas(64) float absmax[kTileLanes];                   // NaN or Inf if the group has one
  alignas(64) float weights[kMaxGroupSize * kTileLanes];  // position i of lane l at [i * 16 + l], +0 in the padding

  int64_t row(int lane) const { return (first + lane) / groups_per_row; }
  int64_t index(int lane) const { return (first + lane) % groups_per_row; }  // of the group in its row
};

// One lane as the reference encoders take it.
struct WeightGroup {
  int size = 0;  // the group size
  int real = 0;  // positions before the padding
  float absmax = 0;
  alignas(64) float weights[kMaxGroupSize];
};
WeightGroup GroupOf(const WeightTile& tile, int lane);

// Where the lanes of a tile lie: `group_size` values each, zeros in the padding.
using TileSource = const uint8_t* [kTileLanes];
// Fills `weights` and `absmax` for the group size that the tile has.
void LoadTileReference(DType dtype, const TileSource& source, WeightTile* tile);

// No format refuses a lane whose absmax is at most this: its scales are far inside float16. Weights hardly ever exceed
// it, so that one comparison stands for all checks of a lane; NaN fails it.
constexpr float kNeverRefused = 1024.0f;

// InvalidArgument naming row and column for NaN or Inf: no method takes them.
absl::Status CheckFinite(const WeightTile& tile, int lane);

// Group size, shape and type of a matrix to encode.
absl::Status CheckMatrix(const MatrixView& matrix, int group_size);
// 1 <= rows, cols, and no size derived from them overflows.
absl::Status CheckShape(int64_t rows, int64_t cols, int group_size);

// Calls body(block, tile) for all groups of the matrix, in order inside a block of rows, blocks spread over `threads`.
// Blocks have an even number of rows, so each starts on a byte in every array of every format; blocks and tiles depend
// on the shape only. A block of a matrix that is not in memory is read right before its tiles are made, so that it lies
// in the cache. The first error by block wins. `matrix` and `group_size` have passed CheckMatrix.
int64_t RowBlockCount(const MatrixView& matrix);
absl::Status ForEachTile(const MatrixView& matrix, int group_size, int threads, const Implementation& implementation,
                         const std::function<absl::Status(int64_t block, const WeightTile& tile)>& body);

}  // namespace sub1quant
