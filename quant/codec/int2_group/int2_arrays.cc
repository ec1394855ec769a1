#include "quant/codec/int2_group/int2_arrays.h"

#include "core/status.h"
#include "quant/codec/packing.h"

namespace sub1quant {
namespace {

std::vector<int64_t> PerGroup(const MatrixShape& shape) {
  return {shape.rows, GroupsPerRow(shape.cols, shape.group_size)};
}

}  // namespace

std::vector<ArraySpec> Int2BaseArrays(const MatrixShape& shape) {
  return {{"base_packed", DType::kU8, {shape.padded_weights() / 4}}, {"base_scales", DType::kF16, PerGroup(shape)}};
}

std::vector<ArraySpec> Int2ResidualArrays(const MatrixShape& shape, const std::string& prefix) {
  return {{prefix + "_packed", DType::kU8, {shape.padded_weights() / 8}},
          {prefix + "_scales", DType::kF16, PerGroup(shape)}};
}

void StoreInt2Base(const WeightTile& tile, const Int2Tile& codes, uint8_t* const* arrays) {
  for (int lane = 0; lane < tile.lanes; ++lane) {
    const int64_t at = tile.first + lane;
    StoreWords(codes.base, tile.group_size / 16, lane, arrays[0] + at * (tile.group_size / 4));
    PutFp16(arrays[1], at, codes.base_scales[lane]);
  }
}

void StoreInt2Signs(const WeightTile& tile, const Int2Tile& codes, uint8_t* const* arrays) {
  for (int lane = 0; lane < tile.lanes; ++lane) {
    const int64_t at = tile.first + lane;
    StoreWords(codes.signs, tile.group_size / 32, lane, arrays[0] + at * (tile.group_size / 8));
    PutFp16(arrays[1], at, codes.residual_scales[lane]);
  }
}

absl::Status LoadInt2Base(int group_size, int64_t at, const uint8_t* const* arrays, float* out) {
  float scale = 0;
  SUB1QUANT_RETURN_IF_ERROR(ReadScale(arrays[1], at, "base_scales", &scale));
  const float values[4] = {-1.0f * scale, 0.0f * scale, 1.0f * scale, 2.0f * scale};
  const uint8_t* packed = arrays[0] + at * (group_size / 4);
  for (int i = 0; i < group_size; ++i) out[i] = values[(packed[i / 4] >> (2 * (i % 4))) & 3];
  return absl::OkStatus();
}

absl::Status LoadInt2Binary(int group_size, int64_t at, const uint8_t* const* arrays, const char* residual_scales,
                            float* out) {
  float s = 0, r = 0;
  SUB1QUANT_RETURN_IF_ERROR(ReadScale(arrays[1], at, "base_scales", &s));
  SUB1QUANT_RETURN_IF_ERROR(ReadScale(arrays[3], at, residual_scales, &r));
  float values[8];
  for (int code = 0; code < 4; ++code) {
    values[code] = static_cast<float>(code - 1) * s + -r;
    values[code + 4] = static_cast<float>(code - 1) * s + r;
  }
  const uint8_t* base = arrays[0] + at * (group_size / 4);
  const uint8_t* signs = arrays[2] + at * (group_size / 8);
  for (int i = 0; i < group_size; ++i)
    out[i] = values[((base[i / 4] >> (2 * (i % 4))) & 3) | (((signs[i / 8] >> (i % 8)) & 1) << 2)];
  return absl::OkStatus();
}

}  // namespace sub1quant
