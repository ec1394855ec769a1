// A group of the INT2 formats in a half-warp (docs/formats.md §3 and §4). All work is done on magnitudes: the signs of
// weights and errors change no sum, and t = e - sign*r has the magnitude of |e| - r.
//
// What one multiplier needs once per group (scales, costs) is computed for several multipliers in different lanes: lane
// 2*i of the half holds what TransposedSums leaves there for item i.
#pragma once

#include <cuda_runtime.h>

#include "quant/codec/half_warp.cuh"
#include "quant/codec/int2_group/int2_cuda.h"
#include "quant/codec/int2_group/top_eight.cuh"

namespace sub1quant {

// A 4-bit correction of t at the scale of the largest.
struct CorrectionScale {
  uint16_t bits;
  float value, divisor;

  __device__ explicit CorrectionScale(uint32_t largest_key)
      : bits(Fp16Bits(std::bit_cast<float>(largest_key) / 7.0f)),
        value(Fp16Value(bits)),
        divisor(value == 0.0f ? 1.0f : value) {}
  __device__ float Code(float t) const { return RoundToCode(t / divisor, 7.0f); }
};

template <int kSize>
struct Int2Lane {
  static constexpr int kValues = LaneLayout<kSize>::kValues;
  float magnitudes[kValues];  // 0 in the padding
  unsigned real;
  bool zero;
  float s, r;  // of multiplier SumOfLane()

  __device__ explicit Int2Lane(const LaneGroup<kSize>& group) : real(group.real), zero(IsZeroGroup(group.absmax)) {
#pragma unroll
    for (int i = 0; i < kValues; ++i) magnitudes[i] = Magnitude(group.weights[i]);
    // In a zero group the errors are the weights: below half of a scale of 1, and r is 0.
    s = zero ? 1.0f : Fp16Value(Fp16Bits(Int2Multiplier(SumOfLane()) * group.absmax));
    float parts[8] = {};
#pragma unroll
    for (int m = 0; m < kInt2Multipliers; ++m) {
      const float scale = BaseScale(m);
      float errors[kValues];
#pragma unroll
      for (int i = 0; i < kValues; ++i) errors[i] = Int2Error(magnitudes[i], scale);
      parts[m] = LanePart(errors);
    }
    r = Fp16Value(Fp16Bits(TransposedSums(parts) / static_cast<float>(kSize)));
    r = zero ? 0.0f : r;
  }

  __device__ float BaseScale(int m) const { return FromHalfLane(s, LaneOfSum(m)); }
  __device__ float ResidualScale(int m) const { return FromHalfLane(r, LaneOfSum(m)); }

  __device__ void Errors(int m, float (&e)[kValues]) const {
    const float scale = BaseScale(m);
#pragma unroll
    for (int i = 0; i < kValues; ++i) e[i] = Int2Error(magnitudes[i], scale);
  }
  // |e| - r, also in the padding.
  __device__ void Residuals(int m, float (&t)[kValues]) const {
    const float residual = ResidualScale(m);
    Errors(m, t);
#pragma unroll
    for (int i = 0; i < kValues; ++i) t[i] = t[i] - residual;
  }
  __device__ void ClearPadding(float (&t)[kValues]) const {
    if (real == kSize) return;
#pragma unroll
    for (int i = 0; i < kValues; ++i) t[i] = PositionOf(i) < real ? t[i] : 0.0f;
  }
};

// This lane's part of B(u*u) for each K of the request; `t` has 0 in the padding.
template <int kValues>
__device__ inline void CorrectedParts(const float (&t)[kValues], const SearchedCorrections& request, float* parts) {
  const TopEight top = FindTopEight(t);
  const CorrectionScale scale(top.keys[0]);
  float squares[kValues], corrected[kValues];
#pragma unroll
  for (int i = 0; i < kValues; ++i) {
    const float u = t[i] - scale.Code(t[i]) * scale.value;
    corrected[i] = u * u;
    squares[i] = t[i] * t[i];
  }
#pragma unroll
  for (int c = 0; c < kMaxSearchedCorrections; ++c) {
    if (request.k[c] == 0) continue;
    const uint32_t selected = SelectLargest(t, top, request.k[c]);
    float mixed[kValues];
#pragma unroll
    for (int i = 0; i < kValues; ++i) mixed[i] = ((selected >> i) & 1) != 0 ? corrected[i] : squares[i];
    parts[c] = LanePart(mixed);
  }
}

// The kept multiplier of each format: of int2_binary_residual in item 0, of the corrected formats in items 1 to 3. An
// item stands in the lanes 2*item and 2*item + 1, and again 8 lanes above.
struct Int2Best {
  float cost = 0;
  int multiplier = 0;
};

__device__ inline int LaneOfItem(int item) { return 2 * item; }

template <int kSize>
__device__ inline Int2Best ChooseMultipliers(const Int2Lane<kSize>& lane, const SearchedCorrections& request) {
  Int2Best best;
  const bool corrects = (request.k[0] | request.k[1] | request.k[2]) != 0;
  // Two multipliers at a time: their sums go to the lower and to the upper eight lanes.
#pragma unroll 1
  for (int m = 0; m < kInt2Multipliers; m += 2) {
    float parts[8] = {};
#pragma unroll
    for (int upper = 0; upper < 2; ++upper) {
      float t[lane.kValues];
      lane.Residuals(m + upper, t);
      // The choice of int2_binary_residual counts the padding, the corrected formats do not.
      parts[4 * upper] = LanePartOfSquares(t);
      if (!corrects) continue;
      lane.ClearPadding(t);
      CorrectedParts(t, request, &parts[4 * upper + 1]);
    }
    const float cost = TransposedSums(parts);
    if (m == 0 || cost < best.cost) best = {cost, m + (HalfLane() >= 8 ? 1 : 0)};
  }
  // The smaller cost, of equals the first multiplier.
  const float other_cost = __shfl_xor_sync(kAllLanes, best.cost, 8);
  const int other = __shfl_xor_sync(kAllLanes, best.multiplier, 8);
  if (other_cost < best.cost || (other_cost == best.cost && other < best.multiplier)) best = {other_cost, other};
  return best;
}

// The error sums of int2_base and int2_binary_residual at one multiplier.
template <int kSize>
__device__ inline void BinarySums(const Int2Lane<kSize>& lane, int multiplier, float* base, float* binary) {
  float v[lane.kValues];
  lane.Errors(multiplier, v);
  *base = HalfSum(LanePartOfSquares(v));
  lane.Residuals(multiplier, v);
  lane.ClearPadding(v);
  *binary = HalfSum(LanePartOfSquares(v));
}

// Clears a group that these formats refuse.
template <int kSize>
__device__ inline bool RefuseInt2(LaneGroup<kSize>* group) {
  const bool bad = std::bit_cast<uint32_t>(group->absmax) >= 0x7f800000u || Fp16Bits(group->absmax) == kFp16Infinity;
  if (bad) group->Clear();
  return bad;
}

}  // namespace sub1quant
