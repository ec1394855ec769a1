// Float32 → the dtype of a weight, to nearest even, in integer arithmetic: the same on every machine.
#include <bit>
#include <cstdint>
#include <cstring>

#include "core/check.h"
#include "quant/artifact/dense.h"

namespace sub1quant {
namespace {

constexpr uint32_t kInfinity32 = 0x7f800000;

uint16_t ToBF16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffff) > kInfinity32) return static_cast<uint16_t>(bits >> 16 | 0x40);  // a quiet NaN
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

// value >> shift, rounded to nearest even; 1 <= shift <= 31.
uint32_t ShiftRounded(uint32_t value, int shift) {
  const uint32_t half = uint32_t{1} << (shift - 1);
  const uint32_t rest = value & (2 * half - 1);
  const uint32_t floor = value >> shift;
  return floor + (rest > half || (rest == half && (floor & 1)) ? 1 : 0);
}

uint16_t ToF16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = bits >> 16 & 0x8000;
  const uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > kInfinity32) return static_cast<uint16_t>(sign | 0x7e00);
  const int exponent = static_cast<int>(magnitude >> 23) - 127;
  if (exponent > 15) return static_cast<uint16_t>(sign | 0x7c00);
  if (exponent >= -14)  // normal: a carry out of the mantissa raises the exponent, up to infinity
    return static_cast<uint16_t>(sign | (ShiftRounded(magnitude, 13) - (uint32_t{112} << 10)));
  if (exponent < -25) return static_cast<uint16_t>(sign);  // below half of the least subnormal
  const uint32_t mantissa = (magnitude & 0x7fffff) | 0x800000;
  return static_cast<uint16_t>(sign | ShiftRounded(mantissa, -1 - exponent));
}

template <uint16_t (*Convert)(float)>
void RoundTo16(const float* values, int64_t count, void* out) {
  for (int64_t i = 0; i < count; ++i) {
    const uint16_t bits = Convert(values[i]);
    const unsigned char bytes[2] = {static_cast<unsigned char>(bits), static_cast<unsigned char>(bits >> 8)};
    std::memcpy(static_cast<char*>(out) + 2 * i, bytes, 2);
  }
}

}  // namespace

void RoundToDType(const float* values, int64_t count, DType dtype, void* out) {
  SUB1QUANT_CHECK(dtype == DType::kBF16 || dtype == DType::kF16 || dtype == DType::kF32);
  if (dtype == DType::kBF16) return RoundTo16<ToBF16>(values, count, out);
  if (dtype == DType::kF16) return RoundTo16<ToF16>(values, count, out);
  if (count > 0) std::memcpy(out, values, static_cast<size_t>(count) * sizeof(float));
}

}  // namespace sub1quant
