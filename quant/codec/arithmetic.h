// The arithmetic that every format shares (docs/formats.md §1 and §7). Each operation is one IEEE float32 operation,
// round to nearest even, denormals honoured; built with -ffp-contract=off, in kernels with --fmad=false. The scalar
// code and the kernels of a device both include it; the vector kernels say the same in vectors (simd/, *_tile.h) and
// are compared with it bit for bit.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "core/host_device.h"

namespace sub1quant {

constexpr int kMaxGroupSize = 256;
constexpr uint16_t kFp16Infinity = 0x7c00;
constexpr uint16_t kFp16One = 0x3c00;

// float32 rounded once to float16, ties to even, subnormals kept; 65520 and above become infinite. Not for NaN.
SUB1QUANT_HOST_DEVICE inline uint16_t Fp16Bits(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude >= 0x47800000u) return sign | kFp16Infinity;
  if (magnitude < 0x38800000u) {
    // Below 2^-14: adding 0.5 makes the unit in the last place 2^-24, that of a float16 subnormal.
    const uint32_t shifted = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5f);
    return static_cast<uint16_t>(sign | (shifted - 0x3f000000u));
  }
  const uint32_t odd = (magnitude >> 13) & 1u;
  return static_cast<uint16_t>(sign | ((magnitude - 0x38000000u + 0xfffu + odd) >> 13));
}

// Exact. Scaling by 2^112 moves the exponent and normalises subnormals.
SUB1QUANT_HOST_DEVICE inline float Fp16Value(uint16_t bits) {
  const uint32_t wide = static_cast<uint32_t>(bits & 0x7fffu) << 13;
  uint32_t magnitude = std::bit_cast<uint32_t>(std::bit_cast<float>(wide) * 0x1p112f);
  magnitude = wide >= 0x0f800000u ? (wide | 0x7f800000u) : magnitude;
  return std::bit_cast<float>(magnitude | (static_cast<uint32_t>(bits & 0x8000u) << 16));
}

SUB1QUANT_HOST_DEVICE inline float Bf16Value(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

// To nearest even. Not for NaN.
SUB1QUANT_HOST_DEVICE inline uint16_t Bf16Bits(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

SUB1QUANT_HOST_DEVICE inline float Clamp(float x, float low, float high) {
  x = x < low ? low : x;
  return x > high ? high : x;
}

// Nearest even of |x| < 2^22. What rounds to zero gives +0.
SUB1QUANT_HOST_DEVICE inline float RoundToInteger(float x) { return (x + 12582912.0f) - 12582912.0f; }

// clamp(round to nearest even, -limit, limit); clamping first gives the same and keeps |x| small enough for the magic
// sum. The result of a negative x that rounds to zero is +0.
SUB1QUANT_HOST_DEVICE inline float RoundToCode(float x, float limit) { return RoundToInteger(Clamp(x, -limit, limit)); }

SUB1QUANT_HOST_DEVICE inline float Magnitude(float x) { return std::fabs(x); }

// rne(value * 2^60), what ExactSum adds for a term: |value| < 2^63 and value >= 0.
SUB1QUANT_HOST_DEVICE inline unsigned __int128 ExactUnits(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t exponent = bits >> 23;
  const uint32_t mantissa = (bits & 0x7fffffu) | (exponent == 0 ? 0u : 0x800000u);
  const int shift = static_cast<int>(exponent == 0 ? 1u : exponent) - 150 + 60;
  if (shift >= 0) return static_cast<unsigned __int128>(mantissa) << shift;
  if (shift < -25) return 0;  // below half a unit
  const uint32_t half = 1u << (-shift - 1);
  const uint32_t whole = mantissa >> -shift, rest = mantissa & (2 * half - 1);
  return whole + (rest > half || (rest == half && (whole & 1u) != 0) ? 1u : 0u);
}

// One test for all published formats, docs/formats.md §1: Fp16Bits(absmax / 7) is 0. That is so up to a quotient of
// 2^-25, the middle between 0 and the smallest float16, and absmax = 7 * 2^-25 is the largest that has it.
constexpr float kZeroGroupAbsmax = 7 * 0x1p-25f;
SUB1QUANT_HOST_DEVICE inline bool IsZeroGroup(float absmax) { return absmax <= kZeroGroupAbsmax; }

// The scale of groupwise_int4, docs/formats.md §2, as bits: 1 in a zero group, whose weights are far below half of
// it (codes 0, errors the weights themselves); infinite where the method must refuse.
SUB1QUANT_HOST_DEVICE inline uint16_t Int4ScaleBits(float absmax) {
  const uint16_t scale = Fp16Bits(absmax / 7.0f);
  return scale == 0 ? kFp16One : scale;
}

// The multipliers of the INT2 formats, docs/formats.md §3: 0.375, 0.5, … 1.0, exact.
constexpr int kInt2Multipliers = 6;
SUB1QUANT_HOST_DEVICE inline float Int2Multiplier(int index) { return 0.125f * static_cast<float>(3 + index); }

// Whether RoundToCode(w / scale, 1.0f) is not 0, without a division. Proof: `scale` has 11 significant bits, so scale/2
// is a float32. The next one above it is scale/2 * (1 + d) with d > 2^-24, so its quotient is above 0.5 + 2^-25, the
// middle between 0.5 and the next float32, and is rounded to more than 0.5; 0.5 itself is rounded to the code 0.
SUB1QUANT_HOST_DEVICE inline bool Int2IsOne(float magnitude, float scale) { return magnitude > 0.5f * scale; }

// |w - q*scale| of the same step, for magnitude = |w|: where q is 0, magnitude <= scale/2 <= the rounded difference;
// where it is 1, the difference is below the magnitude.
SUB1QUANT_HOST_DEVICE inline float Int2Error(float magnitude, float scale) {
  return std::fmin(Magnitude(magnitude - scale), magnitude);
}

// B(v) of docs/formats.md §7 over a power of two of positions: bit 0 first, then the highest down to bit 1.
template <int kSize>
inline float ButterflySum(const float* v) {
  static_assert(kSize >= 4 && (kSize & (kSize - 1)) == 0);
  alignas(64) float sums[kSize / 2];
  for (int i = 0; i < kSize / 2; ++i) sums[i] = v[2 * i] + v[2 * i + 1];
#pragma GCC unroll 8
  for (int half = kSize / 4; half >= 1; half /= 2)
    for (int i = 0; i < half; ++i) sums[i] = sums[i] + sums[i + half];
  return sums[0];
}

// ButterflySum of the squares.
template <int kSize>
inline float ButterflySumOfSquares(const float* v) {
  alignas(64) float squares[kSize];
  for (int i = 0; i < kSize; ++i) squares[i] = v[i] * v[i];
  return ButterflySum<kSize>(squares);
}

// Calls `body.template operator()<kSize>()` with the group size as a constant, so that loops have fixed lengths.
// `group_size` has passed CheckGroupSize.
template <typename Body>
inline auto WithGroupSize(int group_size, const Body& body) {
  switch (group_size) {
    case 32:
      return body.template operator()<32>();
    case 64:
      return body.template operator()<64>();
    case 128:
      return body.template operator()<128>();
    default:
      return body.template operator()<256>();
  }
}

}  // namespace sub1quant
