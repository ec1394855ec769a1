// A group of groupwise_int4 in a half-warp (docs/formats.md §2).
#pragma once

#include <cuda_runtime.h>

#include "quant/codec/code_scale.cuh"
#include "quant/codec/half_warp.cuh"

namespace sub1quant {

// Its error sum, in all lanes of a half.
template <int kSize>
__device__ inline float Int4Sum(const LaneGroup<kSize>& group, const CodeScale& scale) {
  float errors[group.kValues];
#pragma unroll
  for (int i = 0; i < group.kValues; ++i) errors[i] = scale.Rest(group.weights[i]);
  return HalfSum(LanePartOfSquares(errors));
}

// Clears a group that the format refuses: NaN, infinity, and what float16 has no scale for.
template <int kSize>
__device__ inline bool RefuseInt4(LaneGroup<kSize>* group) {
  // NaN and infinity are above all other bits.
  const bool bad =
      std::bit_cast<uint32_t>(group->absmax) >= 0x7f800000u || Int4ScaleBits(group->absmax) == kFp16Infinity;
  if (!Usually(!bad)) group->Clear();
  return bad;
}

}  // namespace sub1quant
