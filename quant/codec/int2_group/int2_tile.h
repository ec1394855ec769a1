// The INT2 formats on a tile, for a vector type of quant/codec/simd.
//
// All of their errors are odd in w, and the sums are of squares, so the search works on magnitudes: |e| is that of
// Int2Error (arithmetic.h, with the proof), |t| = ||e| - r|.
#pragma once

#include "quant/codec/arithmetic.h"
#include "quant/codec/int2_group/int2_group.h"
#include "quant/codec/int2_group/int2_tile_top.h"
#include "quant/codec/simd/butterfly.h"

namespace sub1quant {
namespace {

// The search of kLanes groups of a tile, from `lane` on.
template <class V, int kSize, bool kPadded>
class Int2Search {
 public:
  using Float = typename V::Float;
  using Int = typename V::Int;
  using Mask = typename V::Mask;

  Int2Search(const WeightTile& tile, int lane)
      : tile_(tile), lane_(lane), absmax_(V::Load(tile.absmax + lane)), weights_(tile.weights + lane) {
    float real[V::kLanes];
    for (int i = 0; i < V::kLanes; ++i) real[i] = static_cast<float>(tile.real[lane + i]);
    real_ = V::Load(real);
    zero_group_ = V::LessEqual(absmax_, V::Set(kZeroGroupAbsmax));
    for (int i = 0; i < kSize; ++i) V::Store(magnitudes_ + i * V::kLanes, V::Abs(V::Load(weights_ + i * kTileLanes)));
  }

  void Run(const Int2Request& request, Int2Choices* choices) {
    for (int m = 0; m < kInt2Multipliers; ++m) {
      Step(m);
      if (request.k_count == 0)
        SumSquares<false>(m);
      else
        SumSquares<true>(m);
    }
    if (V::Any(zero_group_))
      zero_sum_ = Butterfly<kSize>::template Sum<V>([this](int i) {
        const Float w = V::Load(weights_ + i * kTileLanes);
        return V::Mul(w, w);
      });
    if (request.binary) ChooseBinary(choices);
    for (int i = 0; i < request.k_count; ++i) {
      if (request.ks[i] <= TopEight<V>::kCount)
        ChooseCorrected(request.ks[i], &choices->k[i]);
      else
        ChooseManyCorrected(request.ks[i], &choices->k[i]);
    }
  }

 private:
  using Sum = Butterfly<kSize>;

  // The scales of one multiplier a lane.
  struct Scales {
    Float s, r;
  };

  Float BaseError(int i, Float s) const {
    const Float w = V::Load(magnitudes_ + i * V::kLanes);
    return V::MinMagnitude(w, V::Abs(V::Sub(w, s)));
  }
  Float ZeroInPadding(int i, Float x) const {
    if constexpr (kPadded) return V::Keep(V::Less(V::Set(static_cast<float>(i)), real_), x);
    return x;
  }

  void Step(int m) {
    const Float s = V::RoundToFp16(V::Mul(V::Set(Int2Multiplier(m)), absmax_));
    const Float sum = Sum::template Sum<V>([&](int i) {
      const Float e = BaseError(i, s);
      V::Store(errors_ + i * V::kLanes, e);
      return e;
    });
    scales_[m] = {s, V::RoundToFp16(V::Div(sum, V::Set(static_cast<float>(kSize))))};
  }

  // B(t*t) with and without the padding, where |t| is r, and the largest |t|.
  template <bool kCorrected>
  void SumSquares(int m) {
    Float padded[Sum::kBlocks], real[Sum::kBlocks];
    TopEight<V> top;
    for (int b = 0; b < Sum::kBlocks; ++b) {
      Float t[8], squares[8];
#pragma GCC unroll 8
      for (int i = 0; i < 8; ++i)
        t[i] = V::Abs(V::Sub(V::Load(errors_ + Sum::Position(b, i) * V::kLanes), scales_[m].r));
#pragma GCC unroll 8
      for (int i = 0; i < 8; ++i) squares[i] = V::Mul(t[i], t[i]);
      padded[b] = Sum::template FoldEight<V>(squares);
      if constexpr (kPadded) {
#pragma GCC unroll 8
        for (int i = 0; i < 8; ++i) {
          t[i] = ZeroInPadding(Sum::Position(b, i), t[i]);
          squares[i] = V::Mul(t[i], t[i]);
        }
        real[b] = Sum::template FoldEight<V>(squares);
      }
      if constexpr (kCorrected) top.Merge(t, b == 0);
    }
    padded_cost_[m] = Sum::template FoldBlocks<V>(padded);
    if constexpr (kPadded)
      real_cost_[m] = Sum::template FoldBlocks<V>(real);
    else
      real_cost_[m] = padded_cost_[m];
    if constexpr (kCorrected) top_[m] = top;
  }

  void ChooseBinary(Int2Choices* choices) const {
    Float best = padded_cost_[0], index = V::Set(0.0f), s = scales_[0].s, sum = real_cost_[0];
    for (int m = 1; m < kInt2Multipliers; ++m) {
      const Mask less = V::Less(padded_cost_[m], best);
      best = V::Select(less, padded_cost_[m], best);
      index = V::Select(less, V::Set(static_cast<float>(m)), index);
      s = V::Select(less, scales_[m].s, s);
      sum = V::Select(less, real_cost_[m], sum);
    }
    const Float base_sum = Sum::template Sum<V>([&](int i) {
      const Float e = BaseError(i, s);
      return V::Mul(e, e);
    });
    Keep(index, sum, &choices->binary);
    V::Store(choices->base_sums + lane_, V::Select(zero_group_, zero_sum_, base_sum));
  }

  void Keep(Float index, Float sum, Int2Choice* choice) const {
    V::Store(choice->sums + lane_, V::Select(zero_group_, zero_sum_, sum));
    float multipliers[V::kLanes];
    V::Store(multipliers, V::Select(zero_group_, V::Set(0.0f), index));
    for (int i = 0; i < V::kLanes; ++i) choice->multipliers[lane_ + i] = static_cast<uint8_t>(multipliers[i]);
  }

  // One multiplier a lane, as a k-format sees it.
  struct Candidate {
    Float lower;  // bound of the cost
    Float index;
    Scales scales;
    CorrectionScale<V> correction;
    Float threshold;  // the k-th largest |t|
    Float equals;     // how many of the k largest are equal to it
  };

  Candidate MakeCandidate(int m, int k) const {
    // The cost but for the order of its sum: real_cost - squares of the k largest + what the corrections leave of them.
    const CorrectionScale<V> correction(top_[m].values[0]);
    const Float threshold = top_[m].values[k - 1];
    Float cost = real_cost_[m], equals = V::Set(0.0f);
    for (int i = 0; i < k; ++i) {
      const Float t = top_[m].values[i], u = correction.Rest(t);
      cost = V::Add(V::Sub(cost, V::Mul(t, t)), V::Mul(u, u));
      equals = V::Add(equals, V::Keep(V::Equal(t, threshold), V::Set(1.0f)));
    }
    const Float slack = V::Mul(real_cost_[m], V::Set(0x1p-17f));
    return {V::Sub(cost, slack), V::Set(static_cast<float>(m)), scales_[m], correction, threshold, equals};
  }

  // The candidate of the lowest bound, lane by lane, is evaluated exactly, until no other could still be better or
  // equal: nearly always once.
  void ChooseCorrected(int k, Int2Choice* choice) const {
    Candidate candidates[kInt2Multipliers];
    for (int m = 0; m < kInt2Multipliers; ++m) candidates[m] = MakeCandidate(m, k);
    Float best = V::Set(__builtin_inff()), index = V::Set(0.0f);
    for (int round = 0; round < kInt2Multipliers; ++round) {
      Candidate chosen = candidates[0];
      for (int m = 1; m < kInt2Multipliers; ++m) {
        const Mask lower = V::Less(candidates[m].lower, chosen.lower);
        chosen = Selected(lower, candidates[m], chosen);
      }
      if (!V::Any(V::And(V::LessEqual(chosen.lower, best), V::Less(chosen.lower, V::Set(__builtin_inff()))))) break;
      for (int m = 0; m < kInt2Multipliers; ++m) {
        const Mask done = V::Equal(chosen.index, V::Set(static_cast<float>(m)));
        candidates[m].lower = V::Select(done, V::Set(__builtin_inff()), candidates[m].lower);
      }
      const Float cost = Cost(chosen);
      const Mask better = V::Or(V::Less(cost, best), V::And(V::Equal(cost, best), V::Less(chosen.index, index)));
      best = V::Select(better, cost, best);
      index = V::Select(better, chosen.index, index);
    }
    Keep(index, best, choice);
  }

  // More corrections than TopEight holds: no bounds, each multiplier is evaluated.
  void ChooseManyCorrected(int k, Int2Choice* choice) const {
    Float best = V::Set(__builtin_inff()), index = V::Set(0.0f);
    for (int m = 0; m < kInt2Multipliers; ++m) {
      const Float cost = Cost(MakeManyCandidate(m, k));
      const Mask less = V::Less(cost, best);
      best = V::Select(less, cost, best);
      index = V::Select(less, V::Set(static_cast<float>(m)), index);
    }
    Keep(index, best, choice);
  }

  // The threshold by bisection over the bits of |t|, until exactly k reach it; where ties at the k-th largest do not
  // let them, until it is the k-th largest.
  Candidate MakeManyCandidate(int m, int k) const {
    alignas(64) float t[kSize * V::kLanes];
    for (int i = 0; i < kSize; ++i) {
      const Float e = BaseError(i, scales_[m].s);
      V::Store(t + i * V::kLanes, ZeroInPadding(i, V::Abs(V::Sub(e, scales_[m].r))));
    }
    const Float wanted = V::Set(static_cast<float>(k)), largest = top_[m].values[0];
    Int low = V::SetInt(0), high = V::AddInt(V::Bits(largest), V::SetInt(1));
    Float reach_low = V::Set(static_cast<float>(kSize));
    for (int step = 0; step < 31 && V::Any(V::Less(wanted, reach_low)); ++step) {
      const Int middle = V::template ShiftRight<1>(V::AddInt(low, high));
      const Float reach = Count(t, [&](Float x) { return V::LessEqual(V::Bits(middle), x); });
      const Mask enough = V::LessEqual(wanted, reach);
      reach_low = V::Select(enough, reach, reach_low);
      low = V::Bits(V::Select(enough, V::Bits(middle), V::Bits(low)));
      high = V::Bits(V::Select(enough, V::Bits(high), V::Bits(middle)));
    }
    const Float threshold = V::Bits(low), above = Count(t, [&](Float x) { return V::Less(threshold, x); });
    // Where exactly k reach it, all that equal it are corrected, and these are k - above.
    return {V::Set(0.0f), V::Set(0.0f), scales_[m], CorrectionScale<V>(largest), threshold, V::Sub(wanted, above)};
  }

  // Of how many positions `holds`.
  template <class Holds>
  static Float Count(const float* t, const Holds& holds) {
    Float counts[4] = {V::Set(0.0f), V::Set(0.0f), V::Set(0.0f), V::Set(0.0f)};
    for (int i = 0; i < kSize; i += 4)
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j)
        counts[j] = V::Add(counts[j], V::Keep(holds(V::Load(t + (i + j) * V::kLanes)), V::Set(1.0f)));
    return V::Add(V::Add(counts[0], counts[1]), V::Add(counts[2], counts[3]));
  }

  static Candidate Selected(Mask m, const Candidate& yes, const Candidate& no) {
    return {V::Select(m, yes.lower, no.lower),
            V::Select(m, yes.index, no.index),
            {V::Select(m, yes.scales.s, no.scales.s), V::Select(m, yes.scales.r, no.scales.r)},
            CorrectionScale<V>::Selected(m, yes.correction, no.correction),
            V::Select(m, yes.threshold, no.threshold),
            V::Select(m, yes.equals, no.equals)};
  }

  // B(u*u). Corrected are the positions above the threshold, and the first of those equal to it, so that k are.
  Float Cost(const Candidate& chosen) const {
    alignas(64) float squares[kSize * V::kLanes];
    Float equals = V::Set(0.0f);  // so far
    for (int i = 0; i < kSize; ++i) {
      const Float t = ZeroInPadding(i, V::Abs(V::Sub(BaseError(i, chosen.scales.s), chosen.scales.r)));
      const Mask equal = V::Equal(t, chosen.threshold);
      equals = V::Add(equals, V::Keep(equal, V::Set(1.0f)));
      const Mask first = V::And(equal, V::LessEqual(equals, chosen.equals));
      const Float u = V::Select(V::Or(V::Less(chosen.threshold, t), first), chosen.correction.Rest(t), t);
      V::Store(squares + i * V::kLanes, V::Mul(u, u));
    }
    return Sum::template Sum<V>([&](int i) { return V::Load(squares + i * V::kLanes); });
  }

  const WeightTile& tile_;
  const int lane_;
  const Float absmax_;
  const float* const weights_;
  Float real_, zero_sum_ = V::Set(0.0f);
  Mask zero_group_;
  Scales scales_[kInt2Multipliers];
  Float padded_cost_[kInt2Multipliers], real_cost_[kInt2Multipliers];
  TopEight<V> top_[kInt2Multipliers];
  alignas(64) float magnitudes_[kSize * V::kLanes];
  alignas(64) float errors_[kSize * V::kLanes];  // |e| of the multiplier that Step had last
};

template <class V>
void ChooseInt2Tile(const WeightTile& tile, const Int2Request& request, Int2Choices* choices) {
  WithGroupSize(tile.group_size, [&]<int kSize>() {
    for (int lane = 0; lane < tile.lanes; lane += V::kLanes) {
      if (tile.padded)
        Int2Search<V, kSize, true>(tile, lane).Run(request, choices);
      else
        Int2Search<V, kSize, false>(tile, lane).Run(request, choices);
    }
  });
}

}  // namespace
}  // namespace sub1quant
