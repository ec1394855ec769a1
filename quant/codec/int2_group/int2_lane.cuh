// A group of the INT2 formats in a half-warp (docs/formats.md §3 and §4). All work is done on magnitudes: the signs of
// weights and errors change no sum, and t = e - sign*r has the magnitude of |e| - r.
//
// What one multiplier needs once per group (scales, costs, bounds) is computed for all multipliers in different lanes:
// lane 2*m of the half holds what TransposedSums leaves there for multiplier m.
#pragma once

#include <cuda_runtime.h>

#include "quant/codec/code_scale.cuh"
#include "quant/codec/half_warp.cuh"
#include "quant/codec/int2_group/int2_cuda.h"
#include "quant/codec/int2_group/top_eight.cuh"

namespace sub1quant {

constexpr float kInfiniteCost = std::bit_cast<float>(0x7f800000u);

// Of the corrections of a group, by its largest |t|.
__device__ inline CodeScale CorrectionScale(float largest) { return CodeScale(Fp16Bits(largest / 7.0f)); }

template <int kSize>
struct Int2Lane {
  static constexpr int kValues = LaneLayout<kSize>::kValues;
  // For how many multipliers the errors stay in registers; with 16 values a lane they are computed again.
  static constexpr int kKept = kSize <= 128 ? kInt2Multipliers : 1;
  float magnitudes[kValues];  // 0 in the padding
  unsigned real;
  bool zero;
  // Of multiplier SumOfLane(), if it is one.
  float s, r;
  float cost;  // B(t*t) with the padding; infinite behind the last multiplier
  // The sum of min(t*t, level) without the padding, for a level that about K of the t*t reach.
  float level, below;

  __device__ Int2Lane(const LaneGroup<kSize>& group, bool corrects)
      : real(group.real), zero(IsZeroGroup(group.absmax)) {
#pragma unroll
    for (int i = 0; i < kValues; ++i) magnitudes[i] = Magnitude(group.weights[i]);
    // In a zero group the errors are the weights: below half of a scale of 1, and r is 0.
    s = zero ? 1.0f : Fp16Value(Fp16Bits(Int2Multiplier(SumOfLane()) * group.absmax));
    float x[kKept][kValues];
    float parts[8] = {};
#pragma unroll
    for (int m = 0; m < kInt2Multipliers; ++m) {
      Errors(m, x[m % kKept]);
      parts[m] = LanePart(x[m % kKept]);
    }
    r = Fp16Value(Fp16Bits(TransposedSums(parts) / static_cast<float>(kSize)));
    r = zero ? 0.0f : r;
#pragma unroll
    for (int m = 0; m < kInt2Multipliers; ++m) {
      if constexpr (kKept == 1) Errors(m, x[0]);
      SquareResiduals(m, x[m % kKept]);
      parts[m] = LanePart(x[m % kKept]);
    }
    cost = TransposedSums(parts);
    level = cost * (3.0f / kSize);
    if (SumOfLane() >= kInt2Multipliers) cost = kInfiniteCost;
    if (!Usually(corrects)) return;
#pragma unroll
    for (int m = 0; m < kInt2Multipliers; ++m) {
      float(&squares)[kValues] = x[m % kKept];
      if constexpr (kKept == 1) {
        Errors(m, squares);
        SquareResiduals(m, squares);
      }
      ClearPadding(squares);
      const float highest = FromHalfLane(level, LaneOfSum(m));
#pragma unroll
      for (int i = 0; i < kValues; ++i) squares[i] = std::fmin(squares[i], highest);
      parts[m] = LanePart(squares);
    }
    below = TransposedSums(parts);
  }

  __device__ float BaseScale(int m) const { return FromHalfLane(s, LaneOfSum(m)); }
  __device__ float ResidualScale(int m) const { return FromHalfLane(r, LaneOfSum(m)); }

  // |e|. The multiplier may be another one in each half.
  __device__ void Errors(int m, float (&e)[kValues]) const {
    const float scale = BaseScale(m);
#pragma unroll
    for (int i = 0; i < kValues; ++i) e[i] = Int2Error(magnitudes[i], scale);
  }
  // |e| - r, 0 in the padding.
  __device__ void Residuals(int m, float (&t)[kValues]) const {
    const float residual = ResidualScale(m);
    Errors(m, t);
#pragma unroll
    for (int i = 0; i < kValues; ++i) t[i] = t[i] - residual;
    ClearPadding(t);
  }
  // t*t from |e|, also in the padding.
  __device__ void SquareResiduals(int m, float (&e)[kValues]) const {
    const float residual = ResidualScale(m);
#pragma unroll
    for (int i = 0; i < kValues; ++i) e[i] = (e[i] - residual) * (e[i] - residual);
  }
  __device__ void ClearPadding(float (&t)[kValues]) const {
    if (Usually(real == kSize)) return;
#pragma unroll
    for (int i = 0; i < kValues; ++i) t[i] = PositionOf(i) < real ? t[i] : 0.0f;
  }

  // No choice of K corrections brings the cost of multiplier SumOfLane() below this: what they take away is at most their
  // t*t, which is at most K*level + the sum of all max(t*t - level, 0). The slack is some times what the sums of both are
  // rounded by.
  __device__ float LowerBound(int k) const {
    if (SumOfLane() >= kInt2Multipliers) return kInfiniteCost;
    return (below - static_cast<float>(k) * level) - below * 0x1p-18f;
  }
};

// Whether the request has a c-th K. A search usually has two.
__device__ inline bool Asks(const SearchedCorrections& request, int c) {
  return c < 2 ? Usually(request.k[c] != 0) : !Usually(request.k[c] == 0);
}

struct Int2Best {
  float cost = kInfiniteCost;
  int multiplier = 0;

  __device__ void Offer(float other_cost, int other) {
    if (!(other_cost < cost || (other_cost == cost && other < multiplier))) return;
    cost = other_cost;
    multiplier = other;
  }
};

// What one multiplier gives for each K of the request, the same in all lanes of a half: B(u*u).
template <int kSize>
__device__ inline void CorrectedCosts(const Int2Lane<kSize>& lane, int multiplier, const SearchedCorrections& request,
                                      float (&costs)[kMaxSearchedCorrections]) {
  constexpr int kValues = Int2Lane<kSize>::kValues;
  float t[kValues], squares[kValues], corrected[kValues];
  lane.Residuals(multiplier, t);
  const TopEight top = FindTopEight(t);
  const CodeScale scale = CorrectionScale(top.Largest(1));
#pragma unroll
  for (int i = 0; i < kValues; ++i) {
    const float u = scale.Rest(t[i]);
    corrected[i] = u * u;
    squares[i] = t[i] * t[i];
  }
#pragma unroll
  for (int c = 0; c < kMaxSearchedCorrections; ++c) {
    if (!Asks(request, c)) continue;
    float mixed[kValues];
    ForLargest(t, top, request.k[c], [&](int i, bool selected) { mixed[i] = selected ? corrected[i] : squares[i]; });
    costs[c] = HalfSum(LanePart(mixed));
  }
}

// The kept multiplier of each corrected format, in all lanes of a half. Only multipliers whose bound does not exclude
// them are evaluated, the most promising first: one for most groups.
template <int kSize>
__device__ inline void ChooseCorrected(const Int2Lane<kSize>& lane, const SearchedCorrections& request,
                                       Int2Best (&best)[kMaxSearchedCorrections]) {
  float bounds[kMaxSearchedCorrections];
#pragma unroll
  for (int c = 0; c < kMaxSearchedCorrections; ++c)
    bounds[c] = Asks(request, c) ? lane.LowerBound(request.k[c]) : kInfiniteCost;
#pragma unroll 1
  for (int round = 0; round < kInt2Multipliers; ++round) {
    float open = kInfiniteCost;  // the lowest bound of a format that multiplier SumOfLane() can still win
#pragma unroll
    for (int c = 0; c < kMaxSearchedCorrections; ++c)
      if (bounds[c] <= best[c].cost) open = std::fmin(open, bounds[c]);
    if (!__any_sync(kAllLanes, open < kInfiniteCost)) return;
    // A half that has none left does one again.
    const int multiplier = LaneOfSmallest(open) / 2;
    float costs[kMaxSearchedCorrections];
    CorrectedCosts(lane, multiplier, request, costs);
#pragma unroll
    for (int c = 0; c < kMaxSearchedCorrections; ++c) {
      if (Asks(request, c)) best[c].Offer(costs[c], multiplier);
      if (SumOfLane() == multiplier) bounds[c] = kInfiniteCost;
    }
  }
}

// The kept multiplier of int2_base and int2_binary_residual, whose choice counts the padding.
template <int kSize>
__device__ inline int ChooseBinary(const Int2Lane<kSize>& lane) {
  return LaneOfSmallest(lane.cost) / 2;
}

// The error sums of int2_base and int2_binary_residual at one multiplier.
template <int kSize>
__device__ inline void BinarySums(const Int2Lane<kSize>& lane, int multiplier, float* base, float* binary) {
  float v[Int2Lane<kSize>::kValues];
  lane.Errors(multiplier, v);
  *base = HalfSum(LanePartOfSquares(v));
  *binary = FromHalfLane(lane.cost, LaneOfSum(multiplier));
  if (Usually(__all_sync(kAllLanes, lane.real == kSize))) return;
  lane.Residuals(multiplier, v);
  *binary = HalfSum(LanePartOfSquares(v));
}

// Clears a group that these formats refuse.
template <int kSize>
__device__ inline bool RefuseInt2(LaneGroup<kSize>* group) {
  // NaN, infinity, and what float16 rounds to infinity: from 65520 on.
  const bool bad = std::bit_cast<uint32_t>(group->absmax) >= std::bit_cast<uint32_t>(65520.0f);
  if (!Usually(!bad)) group->Clear();
  return bad;
}

}  // namespace sub1quant
