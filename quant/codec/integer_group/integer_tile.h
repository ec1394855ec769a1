// int{B} on a tile, for a vector type of quant/codec/simd.
#pragma once

#include "quant/codec/arithmetic.h"
#include "quant/codec/integer_group/integer_group.h"
#include "quant/codec/simd/butterfly.h"

namespace sub1quant {
namespace {

// kLanes groups of a tile, from `lane` on.
template <class V, int kSize, bool kWeighted>
class IntegerSearch {
 public:
  using Float = typename V::Float;
  using Mask = typename V::Mask;

  IntegerSearch(const WeightTile& tile, int lane, int bits, const float* importance)
      : absmax_(V::Load(tile.absmax + lane)),
        offset_(static_cast<float>(IntegerOffset(bits))),
        weights_(tile.weights + lane),
        importance_(importance + (kWeighted ? lane : 0)) {}

  void Run(const float* factors, int count, float* costs, float* sums, uint16_t* scales) {
    best_cost_ = best_scale_ = V::Set(0.0f);
    for (int j = 0; j < count; ++j) TryFactor(factors[j]);
    const Float least = V::RoundToFp16(V::Div(absmax_, V::Set(offset_)));
    const Mask zero_group = V::Equal(least, V::Set(0.0f));
    const Float scale = V::Select(zero_group, V::Set(1.0f), best_scale_);
    const Float sum = Sum<false>(scale);
    V::Store(sums, sum);
    V::Store(costs, kWeighted ? Sum<true>(scale) : sum);
    V::StoreFp16(scales, scale);
  }

 private:
  using Order = Butterfly<kSize>;

  Float Weight(int i) const { return V::Load(weights_ + i * kTileLanes); }

  // Both signs of one factor: the codes of -s are the clamped negatives of the same rounded quotients, so that
  // w - q'*(-s) = w - (-q')*s. Products of codes and scales have at most 19 bits, so one rounding is that of the
  // difference.
  void TryFactor(float factor) {
    const Float s = V::RoundToFp16(V::Div(V::Mul(V::Set(factor), absmax_), V::Set(offset_)));
    const Float inverse = V::Div(V::Set(1.0f), s);
    const Mask usable = V::And(V::Less(V::Set(0.0f), s), V::Less(s, V::Set(__builtin_inff())));
    // No quotient is above that of absmax: if not even that needs a clamp, both signs cost the same, and the first
    // stays.
    if (!V::Any(V::Not(V::Less(V::Mul(absmax_, inverse), V::Set(offset_ - 0.5f)))))
      return Offer(usable, CostWithoutClamp(s, inverse), s);
    const Float low = V::Set(-offset_), high = V::Set(offset_ - 1.0f);
    const Float negative_low = V::Set(1.0f - offset_), negative_high = V::Set(offset_);
    Float positive[Order::kBlocks], negative[Order::kBlocks];
    for (int b = 0; b < Order::kBlocks; ++b) {
      Float p[8], n[8];
#pragma GCC unroll 8
      for (int i = 0; i < 8; ++i) {
        const int at = Order::Position(b, i);
        const Float w = Weight(at), q = V::Round(V::Mul(w, inverse));
        p[i] = Cost<kWeighted>(at, V::NegMulAdd(V::Max(V::Min(q, high), low), s, w));
        n[i] = Cost<kWeighted>(at, V::NegMulAdd(V::Max(V::Min(q, negative_high), negative_low), s, w));
      }
      positive[b] = Order::template FoldEight<V>(p);
      negative[b] = Order::template FoldEight<V>(n);
    }
    Offer(usable, Order::template FoldBlocks<V>(positive), s);
    Offer(usable, Order::template FoldBlocks<V>(negative), V::Sub(V::Set(-0.0f), s));
  }

  Float CostWithoutClamp(Float s, Float inverse) const {
    return Order::template Sum<V>([&](int i) {
      const Float w = Weight(i);
      return Cost<kWeighted>(i, V::NegMulAdd(V::Round(V::Mul(w, inverse)), s, w));
    });
  }

  void Offer(Mask usable, Float cost, Float scale) {
    const Mask first = V::Equal(best_scale_, V::Set(0.0f));
    const Mask better = V::And(usable, V::Or(first, V::Less(cost, best_cost_)));
    best_cost_ = V::Select(better, cost, best_cost_);
    best_scale_ = V::Select(better, scale, best_scale_);
  }

  template <bool kTimesImportance>
  Float Cost(int i, Float error) const {
    const Float square = V::Mul(error, error);
    if constexpr (kTimesImportance) return V::Mul(V::Load(importance_ + i * kTileLanes), square);
    return square;
  }

  template <bool kTimesImportance>
  Float Sum(Float scale) const {
    const Float inverse = V::Div(V::Set(1.0f), scale);
    const Float low = V::Set(-offset_), high = V::Set(offset_ - 1.0f);
    return Order::template Sum<V>([&](int i) {
      const Float w = Weight(i), q = V::Max(V::Min(V::Round(V::Mul(w, inverse)), high), low);
      return Cost<kTimesImportance>(i, V::NegMulAdd(q, scale, w));
    });
  }

  const Float absmax_;
  const float offset_;
  const float* const weights_;
  const float* const importance_;
  Float best_cost_, best_scale_;
};

template <class V>
void ChooseIntegerTile(const WeightTile& tile, int bits, const float* importance, IntegerTileChoice* choice) {
  const float* factors = IntegerGrid(bits).data();
  const int count = static_cast<int>(IntegerGrid(bits).size());
  WithGroupSize(tile.group_size, [&]<int kSize>() {
    for (int lane = 0; lane < tile.lanes; lane += V::kLanes) {
      const auto run = [&](auto search) {
        search.Run(factors, count, choice->costs + lane, choice->sums + lane, choice->scales + lane);
      };
      if (importance == nullptr)
        run(IntegerSearch<V, kSize, false>(tile, lane, bits, nullptr));
      else
        run(IntegerSearch<V, kSize, true>(tile, lane, bits, importance));
    }
  });
}

// The codes of 32 positions fill kBits words.
template <class V, int kBits>
class IntegerWriter {
 public:
  using Float = typename V::Float;
  using Int = typename V::Int;

  IntegerWriter(const WeightTile& tile, int lane, const uint16_t* scales)
      : scale_inverse_(V::Div(V::Set(1.0f), V::LoadFp16(scales + lane))), weights_(tile.weights + lane) {}

  void Write(int first, Int* words) const {
    for (int i = 0; i < kBits; ++i) words[i] = V::SetInt(0);
    Append<0>(first, words);
  }

 private:
  static constexpr int kOffset = IntegerOffset(kBits);

  Int Code(int i) const {
    const Float q = V::Round(V::Mul(V::Load(weights_ + i * kTileLanes), scale_inverse_));
    const Float low = V::Set(-kOffset), high = V::Set(kOffset - 1);
    return V::AddInt(V::ToInt(V::Max(V::Min(q, high), low)), V::SetInt(kOffset));
  }

  template <int kAt>
  void Append(int first, Int* words) const {
    if constexpr (kAt < 32) {
      constexpr int kWord = kAt * kBits / 32, kShift = kAt * kBits % 32;
      const Int code = Code(first + kAt);
      words[kWord] = V::Or(words[kWord], V::template ShiftLeft<kShift>(code));
      if constexpr (kShift + kBits > 32)
        words[kWord + 1] = V::Or(words[kWord + 1], V::template ShiftRight<32 - kShift>(code));
      Append<kAt + 1>(first, words);
    }
  }

  const Float scale_inverse_;
  const float* const weights_;
};

template <class V, int kBits>
void EncodeIntegerTileAs(const WeightTile& tile, const uint16_t* scales, IntegerWords* words) {
  for (int lane = 0; lane < tile.lanes; lane += V::kLanes) {
    const IntegerWriter<V, kBits> writer(tile, lane, scales);
    for (int first = 0; first < tile.group_size; first += 32) {
      typename V::Int v[kBits];
      writer.Write(first, v);
      for (int i = 0; i < kBits; ++i) V::StoreInt(&(*words)[first / 32 * kBits + i][lane], v[i]);
    }
  }
}

template <class V>
void EncodeIntegerTile(const WeightTile& tile, int bits, const uint16_t* scales, IntegerWords* words) {
  switch (bits) {
    case 2:
      return EncodeIntegerTileAs<V, 2>(tile, scales, words);
    case 3:
      return EncodeIntegerTileAs<V, 3>(tile, scales, words);
    case 4:
      return EncodeIntegerTileAs<V, 4>(tile, scales, words);
    case 5:
      return EncodeIntegerTileAs<V, 5>(tile, scales, words);
    case 6:
      return EncodeIntegerTileAs<V, 6>(tile, scales, words);
    default:
      return EncodeIntegerTileAs<V, 8>(tile, scales, words);
  }
}

}  // namespace
}  // namespace sub1quant
