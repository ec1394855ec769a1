// A float16 scale of symmetric 4-bit codes, -7 to 7: what groupwise_int4 divides its weights by, and the corrections of
// INT2 their residuals.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "quant/codec/arithmetic.h"

namespace sub1quant {

struct CodeScale {
  uint16_t bits;
  float value, divisor;
  float inverse;  // of the divisor, and a little more than rounding can take away

  __device__ explicit CodeScale(uint16_t scale_bits)
      : bits(scale_bits),
        value(Fp16Value(bits)),
        divisor(value == 0.0f ? 1.0f : value),
        inverse(1.0f / divisor * (1.0f + 0x1p-22f)) {}

  // The division is the true one: a product with the reciprocal differs on ties.
  __device__ float Code(float x) const { return RoundToCode(x / divisor, 7.0f); }

  // |x - Code(x)*value| without a division, which takes twice the instructions. x / divisor is rounded to above
  // n + 1/2 only if it is above, as in Int2IsOne, so Code is the nearest code. `high` is it as well, or just below a
  // middle the next one; then the rest of `low` is the smaller. Products are exact (11 and 3 bits), so each rest is
  // rounded once, and rounding keeps their order.
  __device__ float Rest(float x) const {
    const float high = RoundToInteger(std::fmin(Magnitude(x) * inverse, 7.0f)), low = high - 1.0f;
    return std::fmin(Magnitude(std::fma(-high, value, Magnitude(x))), Magnitude(std::fma(-low, value, Magnitude(x))));
  }
};

}  // namespace sub1quant
