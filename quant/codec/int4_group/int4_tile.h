// groupwise_int4 on a tile, for a vector type of quant/codec/simd.
#pragma once

#include "quant/codec/arithmetic.h"
#include "quant/codec/int4_group/int4_group.h"
#include "quant/codec/simd/butterfly.h"

namespace sub1quant {
namespace {

// kLanes groups of a tile, from `lane` on.
template <class V, int kSize>
class Int4Lanes {
 public:
  using Float = typename V::Float;
  using Int = typename V::Int;

  Int4Lanes(const WeightTile& tile, int lane) : weights_(tile.weights + lane) {
    const Float scale = V::RoundToFp16(V::Div(V::Load(tile.absmax + lane), V::Set(7.0f)));
    scale_ = V::Select(V::Equal(scale, V::Set(0.0f)), V::Set(1.0f), scale);
  }

  Float scale() const { return scale_; }

  Float Code(int i) const {
    const Float q = V::Round(V::Div(V::Load(weights_ + i * kTileLanes), scale_));
    return V::Max(V::Min(q, V::Set(7.0f)), V::Set(-7.0f));
  }

  // S, where code(i) is the vector of codes at position i.
  template <class CodeAt>
  Float SumOfSquares(const CodeAt& code) const {
    return Butterfly<kSize>::template Sum<V>([&](int i) {
      // q*s has at most 14 bits, so one rounding is that of the difference.
      const Float error = V::NegMulAdd(code(i), scale_, V::Load(weights_ + i * kTileLanes));
      return V::Mul(error, error);
    });
  }

 private:
  const float* weights_;
  Float scale_;
};

// q + 8 of eight positions in 4 bits each, the first lowest. `codes`: vectors of q.
template <class V, int kAt = 0>
typename V::Int Int4Word(const float* codes) {
  const auto code = V::AddInt(V::ToInt(V::Load(codes + kAt * V::kLanes)), V::SetInt(8));
  if constexpr (kAt == 7)
    return V::template ShiftLeft<4 * kAt>(code);
  else
    return V::Or(V::template ShiftLeft<4 * kAt>(code), Int4Word<V, kAt + 1>(codes));
}

template <class V>
void EvaluateInt4Tile(const WeightTile& tile, float* sums) {
  WithGroupSize(tile.group_size, [&]<int kSize>() {
    for (int lane = 0; lane < tile.lanes; lane += V::kLanes) {
      const Int4Lanes<V, kSize> lanes(tile, lane);
      V::Store(sums + lane, lanes.SumOfSquares([&](int i) { return lanes.Code(i); }));
    }
  });
}

template <class V>
void EncodeInt4Tile(const WeightTile& tile, Int4Tile* out) {
  WithGroupSize(tile.group_size, [&]<int kSize>() {
    for (int lane = 0; lane < tile.lanes; lane += V::kLanes) {
      const Int4Lanes<V, kSize> lanes(tile, lane);
      alignas(64) float codes[kSize * V::kLanes];
      for (int i = 0; i < kSize; ++i) V::Store(codes + i * V::kLanes, lanes.Code(i));
      V::Store(out->sums + lane, lanes.SumOfSquares([&](int i) { return V::Load(codes + i * V::kLanes); }));
      V::StoreFp16(out->scales + lane, lanes.scale());
      for (int word = 0; word < kSize / 8; ++word)
        V::StoreInt(&out->words[word][lane], Int4Word<V>(codes + word * 8 * V::kLanes));
    }
  });
}

}  // namespace
}  // namespace sub1quant
