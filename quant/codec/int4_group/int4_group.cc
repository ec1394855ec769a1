#include "quant/codec/int4_group/int4_group.h"

#include "quant/codec/arithmetic.h"

namespace sub1quant {
namespace {

template <int kSize>
float Encode(const WeightGroup& group, float scale, uint8_t* codes) {
  alignas(64) float q[kSize];
  alignas(64) float error[kSize];
  for (int i = 0; i < kSize; ++i) q[i] = RoundToCode(group.weights[i] / scale, 7.0f);
  for (int i = 0; i < kSize; ++i) error[i] = group.weights[i] - q[i] * scale;
  if (codes != nullptr)
    for (int i = 0; i < kSize; ++i) codes[i] = static_cast<uint8_t>(static_cast<int>(q[i]) + 8);
  return ButterflySumOfSquares<kSize>(error);
}

}  // namespace

uint16_t Int4Scale(const WeightGroup& group) { return Int4ScaleBits(group.absmax); }

float EncodeInt4Group(const WeightGroup& group, uint16_t scale, uint8_t* codes) {
  // The weights of a zero group are far below half of its scale 1: codes 0, errors the weights themselves.
  return WithGroupSize(group.size, [&]<int kSize>() { return Encode<kSize>(group, Fp16Value(scale), codes); });
}

}  // namespace sub1quant
