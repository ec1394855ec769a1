// Weights that hunt for wrong rounding, wrong ties and wrong places: for every implementation of a codec the same. The
// tests use them, and a worker that proves its device at start.
//
// Each group of a matrix is of a kind drawn from all of them: values on rounding ties and one unit beside them for the
// scales that the formats will choose, scales in the middle between two float16, error sums in the middle between two
// exact units, all-negative, constant, zero, one spike, denormal, huge, few distinct magnitudes (ties in the order of
// corrections), plain bell-shaped. All finite, and refused by no format.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "quant/codec/arithmetic.h"
#include "quant/codec/codec.h"
#include "quant/codec/integer_group/integer_grid.h"

namespace sub1quant {

struct WeightMatrix {
  DType dtype = DType::kBF16;
  int64_t rows = 0, cols = 0;
  std::vector<uint8_t> bytes;

  MatrixView view() const { return {bytes.data(), dtype, rows, cols}; }
  int64_t size() const { return rows * cols; }
  // `value` rounded to the matrix' type.
  void Set(int64_t index, float value) {
    if (dtype == DType::kF32) {
      std::memcpy(&bytes[static_cast<size_t>(4 * index)], &value, 4);
      return;
    }
    const uint16_t bits = dtype == DType::kF16 ? Fp16Bits(value) : Bf16Bits(value);
    std::memcpy(&bytes[static_cast<size_t>(2 * index)], &bits, 2);
  }
};

inline WeightMatrix EmptyMatrix(DType dtype, int64_t rows, int64_t cols) {
  const size_t element = dtype == DType::kF32 ? 4 : 2;
  return {dtype, rows, cols, std::vector<uint8_t>(static_cast<size_t>(rows * cols) * element)};
}

enum class WeightKind {
  kBell,
  kInt4Ties,
  kInt2Ties,
  kCorrectionTies,
  kIntegerTies,
  kScaleTies,
  kSumTies,
  kFewMagnitudes,
  kNegative,
  kConstant,
  kZero,
  kSpike,
  kDenormal,
  kTiny,  // around the smallest float16 scales
  kHuge,
  kCount
};

class WeightSource {
 public:
  explicit WeightSource(uint32_t seed) : random_(seed) {}

  // `count` values of one group.
  std::vector<float> Group(WeightKind kind, int count) {
    std::vector<float> w(static_cast<size_t>(count));
    float size = std::ldexp(1.0f + Unit(), Integer(-9, 3));
    if (kind == WeightKind::kScaleTies) size = std::fabs(Near(AbsmaxOfScaleTie()));
    grid_scale_ = GridScale(size);
    for (float& x : w) x = Value(kind, size);
    if (kind == WeightKind::kInt4Ties || kind == WeightKind::kInt2Ties || kind == WeightKind::kCorrectionTies ||
        kind == WeightKind::kIntegerTies || kind == WeightKind::kScaleTies) {
      w[Place(count)] = Sign() * size;  // the scales are those of this value
    }
    if (kind == WeightKind::kSpike) w[Place(count)] = Sign() * size;
    return w;
  }

  WeightMatrix Matrix(DType dtype, int64_t rows, int64_t cols, int group_size) {
    WeightMatrix matrix = EmptyMatrix(dtype, rows, cols);
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t first = 0; first < cols; first += group_size) {
        const auto count = static_cast<int>(std::min<int64_t>(group_size, cols - first));
        const auto kind = static_cast<WeightKind>(Integer(0, static_cast<int>(WeightKind::kCount) - 1));
        const std::vector<float> group = Group(kind, count);
        for (int i = 0; i < count; ++i) matrix.Set(row * cols + first + i, group[static_cast<size_t>(i)]);
      }
    }
    return matrix;
  }

 private:
  float Value(WeightKind kind, float size) {
    switch (kind) {
      case WeightKind::kBell:
        return 0.3f * size * normal_(random_);
      case WeightKind::kInt4Ties: {
        const float scale = Fp16Value(Fp16Bits(size / 7.0f));
        return Near(scale * (static_cast<float>(Integer(0, 6)) + 0.5f));
      }
      case WeightKind::kInt2Ties: {
        const float scale = Fp16Value(Fp16Bits(0.125f * static_cast<float>(Integer(3, 8)) * size));
        return Near(0.5f * scale);
      }
      case WeightKind::kCorrectionTies:
        // Around s, where errors of both signs and equal size arise.
        return Near(0.125f * static_cast<float>(Integer(3, 8)) * size + size * static_cast<float>(Integer(-4, 4)) / 64);
      case WeightKind::kIntegerTies:
        // Mostly multiples of one scale of the integer family's grid, which is then the best, and a few ties of it.
        return Integer(0, 15) == 0 ? Near(grid_scale_ * (static_cast<float>(Integer(0, 2)) + 0.5f))
                                   : Sign() * grid_scale_ * static_cast<float>(Integer(0, grid_limit_));
      case WeightKind::kScaleTies:
        return 0.99f * size * (1.0f - 2.0f * Unit());
      case WeightKind::kSumTies:
        // A zero group of every format, so the errors are the weights: their squares are quarters of 2^-60.
        return Sign() * std::ldexp(static_cast<float>(Integer(0, 9)), -31);
      case WeightKind::kFewMagnitudes:
        return Sign() * size * static_cast<float>(Integer(0, 3));
      case WeightKind::kNegative:
        return -size * (0.01f + Unit());
      case WeightKind::kConstant:
        return size;
      case WeightKind::kZero:
        return Sign() * 0.0f;
      case WeightKind::kSpike:
        return size * 1e-4f * normal_(random_);
      case WeightKind::kDenormal:
        return Sign() * std::ldexp(static_cast<float>(Integer(0, 4095)), -149);
      case WeightKind::kTiny:
        return Sign() * std::ldexp(static_cast<float>(Integer(0, 64)), -27);
      default:
        return Sign() * 60000.0f * Unit();
    }
  }

  // A scale that some width of the integer family tries for a group with this absmax.
  float GridScale(float absmax) {
    const IntegerGridSpec& spec = kIntegerGrids[static_cast<size_t>(Integer(0, 5))];
    const int limit = 1 << (spec.bits - 1);
    grid_limit_ = limit - 1;
    return Fp16Value(Fp16Bits(IntegerFactor(spec, Integer(0, spec.count - 1)) * absmax / static_cast<float>(limit)));
  }

  // An absmax from 1 to 1024 whose scale in one of the formats is the middle between two float16.
  float AbsmaxOfScaleTie() {
    constexpr float kPerScale[] = {7.0f, 1 / 0.375f, 1 / 0.625f, 1 / 0.75f, 1.0f, 2.0f, 4.0f, 16.0f, 32.0f, 128.0f};
    const float middle = std::ldexp(static_cast<float>(2 * Integer(1024, 2047) + 1), Integer(-11, -9));  // 12 bits
    return middle * kPerScale[Integer(0, 9)];
  }

  // Of either sign, up to two units beside `x`.
  float Near(float x) {
    const auto bits = static_cast<int64_t>(std::bit_cast<uint32_t>(x)) + Integer(-2, 2);
    return Sign() * std::bit_cast<float>(static_cast<uint32_t>(std::max<int64_t>(bits, 0)));
  }
  int Integer(int low, int high) { return std::uniform_int_distribution<int>(low, high)(random_); }
  float Unit() { return std::uniform_real_distribution<float>(0.0f, 1.0f)(random_); }
  float Sign() { return Integer(0, 1) == 0 ? -1.0f : 1.0f; }
  size_t Place(int count) { return static_cast<size_t>(Integer(0, count - 1)); }

  std::mt19937 random_;
  std::normal_distribution<float> normal_;
  float grid_scale_ = 1;
  int grid_limit_ = 1;
};

}  // namespace sub1quant
