#include "quant/codec/weight_tile.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/check.h"
#include "core/parallel.h"
#include "core/status.h"
#include "quant/codec/implementations.h"

namespace sub1quant {
namespace {

constexpr int64_t kBlockWeights = 1 << 16;
constexpr int64_t kMaxPaddedWeights = int64_t{1} << 56;
constexpr int kCacheLine = 64;
constexpr size_t kMaxGroupBytes = kMaxGroupSize * sizeof(float);

alignas(64) constexpr uint8_t kZeros[kMaxGroupBytes] = {};

float Widened(DType dtype, const uint8_t* source, int i) {
  if (dtype == DType::kF32) {
    float value = 0;
    std::memcpy(&value, source + 4 * i, sizeof(value));
    return value;
  }
  uint16_t bits = 0;
  std::memcpy(&bits, source + 2 * i, sizeof(bits));
  return dtype == DType::kBF16 ? Bf16Value(bits) : Fp16Value(bits);
}

int64_t RowsPerBlock(const MatrixView& matrix) { return std::max<int64_t>(2, kBlockWeights / matrix.cols / 2 * 2); }

int ElementSize(const MatrixView& matrix) { return matrix.dtype == DType::kF32 ? 4 : 2; }

// The bytes of rows [first, first + count); valid until this thread asks again.
absl::StatusOr<const uint8_t*> BlockBytes(const MatrixView& matrix, int64_t first, int64_t count) {
  const int64_t row_bytes = matrix.cols * ElementSize(matrix);
  if (matrix.data != nullptr) return static_cast<const uint8_t*>(matrix.data) + first * row_bytes;
  thread_local std::vector<uint8_t> buffer;
  buffer.resize(std::max(buffer.size(), static_cast<size_t>(count * row_bytes)));
  SUB1QUANT_RETURN_IF_ERROR(matrix.reader->Read(first, count, buffer.data()));
  return buffer.data();
}

// Makes the tiles of a block of rows. Groups that end before the group size are copied beside zeros first.
class TileReader {
 public:
  // `bytes`: of the rows from `first_row` on.
  TileReader(const MatrixView& matrix, const uint8_t* bytes, int64_t first_row, int group_size,
             const Implementation& implementation)
      : matrix_(matrix),
        bytes_(bytes),
        first_row_(first_row),
        element_(ElementSize(matrix)),
        implementation_(implementation) {
    tile_.group_size = group_size;
    tile_.groups_per_row = GroupsPerRow(matrix.cols, group_size);
  }

  // Groups [first, first + lanes) of the matrix.
  const WeightTile& Read(int64_t first, int lanes) {
    tile_.first = first;
    tile_.lanes = lanes;
    tile_.padded = false;
    for (int lane = 0; lane < kTileLanes; ++lane) Place(lane);
    implementation_.load(matrix_.dtype, source_, &tile_);
    // The next tile comes from memory while this one is worked on. A prefetch does not fault behind the last one. Not a
    // function of its own: GCC takes one for pure and drops the call.
    const uint8_t* const next = Source(kTileLanes);
    for (int offset = 0; offset < kTileLanes * tile_.group_size * element_; offset += kCacheLine)
      __builtin_prefetch(next + offset);
    return tile_;
  }

 private:
  const uint8_t* Source(int lane) const {
    return bytes_ + ((tile_.row(lane) - first_row_) * matrix_.cols + tile_.index(lane) * tile_.group_size) * element_;
  }

  void Place(int lane) {
    tile_.real[lane] = tile_.group_size;
    source_[lane] = kZeros;
    if (lane >= tile_.lanes) return;
    const int64_t column = tile_.index(lane) * tile_.group_size;
    source_[lane] = Source(lane);
    if (matrix_.cols - column >= tile_.group_size) return;
    tile_.real[lane] = static_cast<int>(matrix_.cols - column);
    tile_.padded = true;
    const size_t bytes = static_cast<size_t>(tile_.real[lane] * element_);
    std::memcpy(copies_[lane], source_[lane], bytes);
    std::memset(copies_[lane] + bytes, 0, kMaxGroupBytes - bytes);
    source_[lane] = copies_[lane];
  }

  const MatrixView& matrix_;
  const uint8_t* const bytes_;
  const int64_t first_row_;
  const int element_;
  const Implementation& implementation_;
  WeightTile tile_;
  TileSource source_;
  alignas(64) uint8_t copies_[kTileLanes][kMaxGroupBytes];
};

}  // namespace

WeightGroup GroupOf(const WeightTile& tile, int lane) {
  WeightGroup group;
  group.size = tile.group_size;
  group.real = tile.real[lane];
  group.absmax = tile.absmax[lane];
  for (int i = 0; i < tile.group_size; ++i) group.weights[i] = tile.weights[i * kTileLanes + lane];
  return group;
}

void LoadTileReference(DType dtype, const TileSource& source, WeightTile* tile) {
  for (int lane = 0; lane < kTileLanes; ++lane) {
    uint32_t largest = 0;  // magnitudes compare as integers, NaN above all
    for (int i = 0; i < tile->group_size; ++i) {
      const float weight = Widened(dtype, source[lane], i);
      tile->weights[i * kTileLanes + lane] = weight;
      largest = std::max(largest, std::bit_cast<uint32_t>(Magnitude(weight)));
    }
    tile->absmax[lane] = std::bit_cast<float>(largest);
  }
}

absl::Status CheckFinite(const WeightTile& tile, int lane) {
  if (std::isfinite(tile.absmax[lane])) return absl::OkStatus();
  const WeightGroup group = GroupOf(tile, lane);
  int i = 0;
  while (std::isfinite(group.weights[i])) ++i;
  const float value = group.weights[i];
  const char* what = std::isnan(value) ? "NaN" : value < 0 ? "-Inf" : "Inf";
  return absl::InvalidArgumentError(
      absl::StrCat(what, " at row ", tile.row(lane), ", column ", tile.index(lane) * tile.group_size + i));
}

absl::Status CheckShape(int64_t rows, int64_t cols, int group_size) {
  if (rows < 1 || cols < 1)
    return absl::InvalidArgumentError(absl::StrCat("matrix [", rows, ", ", cols, "] has no weights"));
  if (cols > kMaxPaddedWeights || rows > kMaxPaddedWeights / (GroupsPerRow(cols, group_size) * group_size))
    return absl::InvalidArgumentError(absl::StrCat("matrix [", rows, ", ", cols, "] is larger than 2^56 weights"));
  return absl::OkStatus();
}

absl::Status CheckMatrix(const MatrixView& matrix, int group_size) {
  SUB1QUANT_RETURN_IF_ERROR(CheckGroupSize(group_size));
  SUB1QUANT_RETURN_IF_ERROR(CheckShape(matrix.rows, matrix.cols, group_size));
  SUB1QUANT_CHECK(matrix.data != nullptr || matrix.reader != nullptr);
  if (matrix.dtype != DType::kBF16 && matrix.dtype != DType::kF16 && matrix.dtype != DType::kF32)
    return absl::InvalidArgumentError("weights to encode must be BF16, F16 or F32");
  return absl::OkStatus();
}

int64_t RowBlockCount(const MatrixView& matrix) {
  const int64_t rows = RowsPerBlock(matrix);
  return (matrix.rows + rows - 1) / rows;
}

absl::Status ForEachTile(const MatrixView& matrix, int group_size, int threads, const Implementation& implementation,
                         const std::function<absl::Status(int64_t block, const WeightTile& tile)>& body) {
  const int64_t block_rows = RowsPerBlock(matrix);
  return ParallelFor(threads, RowBlockCount(matrix), [&](int64_t block) -> absl::Status {
    const int64_t first_row = block * block_rows, end_row = std::min(matrix.rows, first_row + block_rows);
    SUB1QUANT_ASSIGN_OR_RETURN(const uint8_t* const bytes, BlockBytes(matrix, first_row, end_row - first_row));
    TileReader reader(matrix, bytes, first_row, group_size, implementation);
    const int64_t groups = GroupsPerRow(matrix.cols, group_size), end = end_row * groups;
    for (int64_t first = first_row * groups; first < end; first += kTileLanes) {
      const int lanes = static_cast<int>(std::min<int64_t>(kTileLanes, end - first));
      SUB1QUANT_RETURN_IF_ERROR(body(block, reader.Read(first, lanes)));
    }
    return absl::OkStatus();
  });
}

}  // namespace sub1quant
