// Encoding the INT2 formats on a tile at multipliers already chosen, for a vector type of quant/codec/simd.
#pragma once

#include "quant/codec/arithmetic.h"
#include "quant/codec/int2_group/int2_group.h"
#include "quant/codec/simd/butterfly.h"

namespace sub1quant {
namespace {

// kLanes groups of a tile, from `lane` on, at one multiplier each. Zero groups are encoded as zeros with absmax 1.
template <class V, int kSize>
class Int2Lanes {
 public:
  using Float = typename V::Float;
  using Int = typename V::Int;
  using Mask = typename V::Mask;

  Int2Lanes(const WeightTile& tile, const uint8_t* multipliers, int lane) : weights_(tile.weights + lane) {
    const Float absmax = V::Load(tile.absmax + lane);
    zero_group_ = V::LessEqual(absmax, V::Set(kZeroGroupAbsmax));
    float chosen[V::kLanes];
    for (int i = 0; i < V::kLanes; ++i)
      chosen[i] = lane + i < tile.lanes ? Int2Multiplier(multipliers[lane + i]) : Int2Multiplier(0);
    const Float multiplier = V::Select(zero_group_, V::Set(Int2Multiplier(0)), V::Load(chosen));
    s_ = V::RoundToFp16(V::Mul(multiplier, V::Select(zero_group_, V::Set(1.0f), absmax)));
    half_ = V::Mul(s_, V::Set(0.5f));
    const Float sum = Butterfly<kSize>::template Sum<V>([this](int i) { return V::Abs(Error(i)); });
    r_ = V::RoundToFp16(V::Div(sum, V::Set(static_cast<float>(kSize))));
  }

  Float s() const { return s_; }
  Float r() const { return r_; }

  // Of positions [first, first + 16) in 2 bits each.
  Int BaseWord(int first) const {
    return Word<2, 16>([&](int i) { return BaseCode(first + i); });
  }
  // Of positions [first, first + 32) in 1 bit each; 0 in zero groups.
  Int SignWord(int first) const {
    return V::KeepInt(V::Not(zero_group_), Word<1, 32>([&](int i) {
                        return V::KeepInt(V::LessEqual(V::Set(0.0f), Error(first + i)), V::SetInt(1));
                      }));
  }
  // t.
  Float SignError(int i) const {
    const Float e = Error(i);
    return V::Sub(e, V::Select(V::LessEqual(V::Set(0.0f), e), r_, V::Sub(V::Set(-0.0f), r_)));
  }

 private:
  Float Weight(int i) const { return V::Keep(V::Not(zero_group_), V::Load(weights_ + i * kTileLanes)); }

  // q*s; why a comparison decides is proved at Int2IsOne (arithmetic.h).
  Float Base(Float w) const {
    const Float low = V::Keep(V::Less(w, V::Sub(V::Set(-0.0f), half_)), V::Sub(V::Set(-0.0f), s_));
    return V::Select(V::Less(half_, w), s_, low);
  }
  Float Error(int i) const {
    const Float w = Weight(i);
    return V::Sub(w, Base(w));
  }
  // q + 1.
  Int BaseCode(int i) const {
    const Float w = Weight(i);
    const Int not_low = V::KeepInt(V::LessEqual(V::Sub(V::Set(-0.0f), half_), w), V::SetInt(1));
    return V::AddInt(not_low, V::KeepInt(V::Less(half_, w), V::SetInt(1)));
  }

  template <int kBits, int kCount, int kAt = 0, class CodeAt>
  static Int Word(const CodeAt& code) {
    const Int shifted = V::template ShiftLeft<kBits * kAt>(code(kAt));
    if constexpr (kAt + 1 == kCount)
      return shifted;
    else
      return V::Or(shifted, Word<kBits, kCount, kAt + 1>(code));
  }

  const float* weights_;
  Mask zero_group_;
  Float s_, half_, r_;
};

template <class V>
void EncodeInt2Tile(const WeightTile& tile, const uint8_t* multipliers, Int2Tile* out) {
  WithGroupSize(tile.group_size, [&]<int kSize>() {
    for (int lane = 0; lane < tile.lanes; lane += V::kLanes) {
      const Int2Lanes<V, kSize> lanes(tile, multipliers, lane);
      V::StoreFp16(out->base_scales + lane, lanes.s());
      V::StoreFp16(out->residual_scales + lane, lanes.r());
      for (int i = 0; i < kSize / 16; ++i) V::StoreInt(&out->base[i][lane], lanes.BaseWord(16 * i));
      for (int i = 0; i < kSize / 32; ++i) V::StoreInt(&out->signs[i][lane], lanes.SignWord(32 * i));
    }
  });
}

template <class V>
void CorrectInt2Tile(const WeightTile& tile, const uint8_t* multipliers, int k, Int2Corrections* corrections) {
  WithGroupSize(tile.group_size, [&]<int kSize>() {
    for (int lane = 0; lane < tile.lanes; lane += V::kLanes) {
      const Int2Lanes<V, kSize> lanes(tile, multipliers, lane);
      alignas(64) float errors[kSize * V::kLanes];
      for (int i = 0; i < kSize; ++i) V::Store(errors + i * V::kLanes, lanes.SignError(i));
      // Their order is found a lane at a time.
      for (int i = 0; i < V::kLanes && lane + i < tile.lanes; ++i)
        CorrectInt2Errors(errors + i, V::kLanes, kSize, tile.real[lane + i], k, &corrections[lane + i]);
    }
  });
}

}  // namespace
}  // namespace sub1quant
