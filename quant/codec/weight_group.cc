#include "quant/codec/weight_group.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "core/parallel.h"
#include "core/status.h"

namespace sub1quant {
namespace {

constexpr int64_t kBlockWeights = 1 << 16;
constexpr int64_t kMaxPaddedWeights = int64_t{1} << 56;

template <typename Widen>
void Widen16(const uint8_t* source, int count, float* out, const Widen& widen) {
  uint16_t raw[kMaxGroupSize];
  std::memcpy(raw, source, sizeof(uint16_t) * static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) out[i] = widen(raw[i]);
}

void Widen(DType dtype, const uint8_t* source, int count, float* out) {
  switch (dtype) {
    case DType::kBF16:
      Widen16(source, count, out, Bf16Value);
      break;
    case DType::kF16:
      Widen16(source, count, out, Fp16Value);
      break;
    default:
      std::memcpy(out, source, sizeof(float) * static_cast<size_t>(count));
  }
}

int64_t RowsPerBlock(const MatrixView& matrix) { return std::max<int64_t>(2, kBlockWeights / matrix.cols / 2 * 2); }

}  // namespace

void LoadGroup(const MatrixView& matrix, int group_size, int64_t row, int64_t index, WeightGroup* group) {
  const int element = matrix.dtype == DType::kF32 ? 4 : 2;
  const int64_t first = index * group_size;
  group->row = row;
  group->index = index;
  group->size = group_size;
  group->real = static_cast<int>(std::min<int64_t>(group_size, matrix.cols - first));
  const auto* source = static_cast<const uint8_t*>(matrix.data) + (row * matrix.cols + first) * element;
  Widen(matrix.dtype, source, group->real, group->weights);
  std::fill(group->weights + group->real, group->weights + group_size, 0.0f);
  int32_t largest = 0;  // magnitudes compare as integers, NaN above all
  for (int i = 0; i < group_size; ++i)
    largest = std::max(largest, std::bit_cast<int32_t>(Magnitude(group->weights[i])));
  group->absmax = std::bit_cast<float>(largest);
}

absl::Status CheckFinite(const WeightGroup& group) {
  if (std::isfinite(group.absmax)) return absl::OkStatus();
  int i = 0;
  while (std::isfinite(group.weights[i])) ++i;
  const float value = group.weights[i];
  const char* what = std::isnan(value) ? "NaN" : value < 0 ? "-Inf" : "Inf";
  return absl::InvalidArgumentError(
      absl::StrCat(what, " at row ", group.row, ", column ", group.index * group.size + i));
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
  if (matrix.dtype != DType::kBF16 && matrix.dtype != DType::kF16 && matrix.dtype != DType::kF32)
    return absl::InvalidArgumentError("weights to encode must be BF16, F16 or F32");
  return absl::OkStatus();
}

int64_t RowBlockCount(const MatrixView& matrix) {
  const int64_t rows = RowsPerBlock(matrix);
  return (matrix.rows + rows - 1) / rows;
}

absl::Status ForEachGroup(const MatrixView& matrix, int group_size, int threads,
                          const std::function<absl::Status(int64_t block, const WeightGroup& group)>& body) {
  const int64_t block_rows = RowsPerBlock(matrix);
  const int64_t groups = GroupsPerRow(matrix.cols, group_size);
  return ParallelFor(threads, RowBlockCount(matrix), [&](int64_t block) {
    WeightGroup group;
    const int64_t end = std::min(matrix.rows, (block + 1) * block_rows);
    for (int64_t row = block * block_rows; row < end; ++row) {
      for (int64_t index = 0; index < groups; ++index) {
        LoadGroup(matrix, group_size, row, index, &group);
        SUB1QUANT_RETURN_IF_ERROR(body(block, group));
      }
    }
    return absl::OkStatus();
  });
}

}  // namespace sub1quant
