// Loading a tile: kLanes groups are read a vector each and turned, so that a vector holds one position of every group.
#pragma once

#include "quant/codec/weight_tile.h"

namespace sub1quant {
namespace {

template <class V>
class TileLoader {
 public:
  static void Load(DType dtype, const TileSource& source, WeightTile* tile) {
    for (int lane = 0; lane < kTileLanes; lane += V::kLanes) {
      TileLoader loader(source + lane, tile->weights + lane);
      if (dtype == DType::kF32)
        loader.Load32(tile->group_size);
      else if (dtype == DType::kBF16)
        loader.Load16(
            tile->group_size, [](Int pair) { return V::Bits(V::template ShiftLeft<16>(pair)); },
            [](Int pair) { return V::Bits(V::And(pair, V::SetInt(-0x10000))); });
      else
        loader.Load16(
            tile->group_size, [](Int pair) { return V::WidenFp16(pair); },
            [](Int pair) { return V::WidenFp16(V::template ShiftRight<16>(pair)); });
      V::StoreInt(tile->absmax + lane, loader.largest_);
    }
  }

 private:
  using Float = typename V::Float;
  using Int = typename V::Int;

  TileLoader(const uint8_t* const* source, float* weights) : source_(source), weights_(weights) {}

  void Load32(int size) {
    for (int first = 0; first < size; first += V::kLanes) {
      Int v[V::kLanes];
      ReadTurned(4 * first, v);
      for (int i = 0; i < V::kLanes; ++i) Put(first + i, V::Bits(v[i]));
    }
  }

  // Two 16-bit weights travel together as one number of 32 bits.
  template <class Low, class High>
  void Load16(int size, const Low& low, const High& high) {
    for (int first = 0; first < size; first += 2 * V::kLanes) {
      Int v[V::kLanes];
      ReadTurned(2 * first, v);
      for (int i = 0; i < V::kLanes; ++i) {
        Put(first + 2 * i, low(v[i]));
        Put(first + 2 * i + 1, high(v[i]));
      }
    }
  }

  void ReadTurned(int offset, Int* v) const {
    for (int i = 0; i < V::kLanes; ++i) v[i] = V::LoadInt(source_[i] + offset);
    V::Transpose(v);
  }

  void Put(int position, Float weight) {
    V::Store(weights_ + position * kTileLanes, weight);
    // Magnitudes compare as integers, NaN above all.
    largest_ = V::MaxInt(largest_, V::And(V::Bits(weight), V::SetInt(0x7fffffff)));
  }

  const uint8_t* const* source_;
  float* weights_;
  Int largest_ = V::SetInt(0);
};

}  // namespace
}  // namespace sub1quant
