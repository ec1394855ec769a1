// A group of weights spread over half a warp, as all kernels of the codecs hold it: 16 lanes, two groups a warp.
//
// Position i of a group of kSize is 32*chunk + 2*lane + bit. A lane holds both bits of every chunk, value[2*chunk +
// bit], so the butterfly of docs/formats.md §7 folds bit 0 and the high bits inside a lane and bits 4 to 1 by shuffles
// with lanes 8, 4, 2, 1 away. All 32 lanes stay together: behind the last group it is computed once more and left
// out where results are written.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "quant/codec/arithmetic.h"
#include "quant/codec/kernel_types.h"

namespace sub1quant {

constexpr unsigned kAllLanes = 0xffffffffu;
constexpr int kHalf = 16;

// Which way a branch usually goes: groups of BF16 weights without padding, ties and refusals. bench/kernel_resources.py
// compiles with SUB1QUANT_USUAL_PATH to have only that way's instructions.
__device__ inline bool Usually(bool condition) {
#ifdef SUB1QUANT_USUAL_PATH
  return true;
#else
  return __builtin_expect(condition, true);
#endif
}

template <int kSize>
struct LaneLayout {
  static constexpr int kChunks = kSize / 32;
  static constexpr int kValues = 2 * kChunks;  // a lane's share of the group
};

__device__ inline unsigned Lane() { return threadIdx.x % 32; }
__device__ inline unsigned HalfLane() { return threadIdx.x % kHalf; }
// Of a ballot, the votes of this half.
__device__ inline unsigned HalfVotes(unsigned ballot) { return (ballot >> (Lane() & kHalf)) & 0xffffu; }

// The position in its group of value[i] of this lane.
__device__ inline unsigned PositionOf(int i) {
  return 32u * static_cast<unsigned>(i / 2) + 2u * HalfLane() + static_cast<unsigned>(i % 2);
}

// `source` counts lanes of the half.
template <typename T>
__device__ inline T FromHalfLane(T value, int source) {
  return __shfl_sync(kAllLanes, value, source, kHalf);
}

template <int kSize>
struct LaneGroup {
  static constexpr int kValues = LaneLayout<kSize>::kValues;
  bool exists = false;
  unsigned at = 0;    // number of the group in the block of rows
  unsigned real = 0;  // positions before the padding
  float absmax = 0;   // NaN or Inf if a weight is
  float weights[kValues];

  // A group that a format refuses becomes one of zeros, so that what is computed from it stays defined.
  __device__ void Clear() {
    absmax = 0;
#pragma unroll
    for (int i = 0; i < kValues; ++i) weights[i] = 0.0f;
  }
};

__device__ inline float LoadWeight(const void* data, WeightType type, size_t index) {
  switch (type) {
    case WeightType::kBF16:
      return Bf16Value(static_cast<const uint16_t*>(data)[index]);
    case WeightType::kF16:
      return Fp16Value(static_cast<const uint16_t*>(data)[index]);
    default:
      return static_cast<const float*>(data)[index];
  }
}

// Two neighbours with one load; `index` is even and the data aligned to two elements.
__device__ inline void LoadPair(const void* data, WeightType type, size_t index, float* pair) {
  if (!Usually(type != WeightType::kF32)) {
    const float2 both = static_cast<const float2*>(data)[index / 2];
    pair[0] = both.x;
    pair[1] = both.y;
    return;
  }
  const uint32_t both = static_cast<const uint32_t*>(data)[index / 2];
  const auto low = static_cast<uint16_t>(both), high = static_cast<uint16_t>(both >> 16);
  const bool is_bf16 = Usually(type == WeightType::kBF16);
  pair[0] = is_bf16 ? Bf16Value(low) : Fp16Value(low);
  pair[1] = is_bf16 ? Bf16Value(high) : Fp16Value(high);
}

__device__ inline float HalfMax(float magnitude) {
  // Magnitudes compare as integers, NaN above all.
  uint32_t largest = std::bit_cast<uint32_t>(magnitude);
  for (int lanes = 8; lanes >= 1; lanes /= 2) {
    const uint32_t other = __shfl_xor_sync(kAllLanes, largest, lanes);
    largest = other > largest ? other : largest;
  }
  return std::bit_cast<float>(largest);
}

// The first lane of the half that has its smallest value.
__device__ inline int LaneOfSmallest(float value) {
  float least = value;
  for (int lanes = 8; lanes >= 1; lanes /= 2) least = std::fmin(least, __shfl_xor_sync(kAllLanes, least, lanes));
  return __ffs(static_cast<int>(HalfVotes(__ballot_sync(kAllLanes, value == least)))) - 1;
}

// A group that ends with its row before its last position, or in rows of an odd length: element by element.
template <int kSize>
__device__ inline void LoadPadded(const WeightBlock& block, LaneGroup<kSize>* group) {
  const unsigned row = group->at / block.groups_per_row;
  const unsigned first = (group->at - row * block.groups_per_row) * kSize;
  const unsigned left = block.cols - first;
  group->real = left < kSize ? left : kSize;
  const size_t start = static_cast<size_t>(row) * block.cols + first;
#pragma unroll
  for (int i = 0; i < group->kValues; ++i) {
    const unsigned position = PositionOf(i);
    group->weights[i] = position < group->real ? LoadWeight(block.data, block.type, start + position) : 0.0f;
  }
}

// Group `at` of the block; behind the last one the last one again, which does not `exist`.
template <int kSize>
__device__ inline void LoadGroup(const WeightBlock& block, unsigned at, LaneGroup<kSize>* group) {
  group->exists = at < block.groups;
  group->at = group->exists ? at : block.groups - 1;
  group->real = kSize;
  if (Usually(block.cols == block.groups_per_row * kSize)) {
#pragma unroll
    for (int i = 0; i < group->kValues; i += 2)
      LoadPair(block.data, block.type, static_cast<size_t>(group->at) * kSize + PositionOf(i), &group->weights[i]);
  } else {
    LoadPadded(block, group);
  }
  uint32_t largest = 0;
#pragma unroll
  for (int i = 0; i < group->kValues; ++i) {
    const uint32_t magnitude = std::bit_cast<uint32_t>(Magnitude(group->weights[i]));
    largest = magnitude > largest ? magnitude : largest;
  }
  group->absmax = HalfMax(std::bit_cast<float>(largest));
}

// The part of B(v) that is folded inside a lane.
template <int kValues>
__device__ inline float LanePart(const float (&v)[kValues]) {
  constexpr int kChunks = kValues / 2;
  float sums[kChunks];
#pragma unroll
  for (int chunk = 0; chunk < kChunks; ++chunk) sums[chunk] = v[2 * chunk] + v[2 * chunk + 1];
#pragma unroll
  for (int half = kChunks / 2; half >= 1; half /= 2)
#pragma unroll
    for (int chunk = 0; chunk < half; ++chunk) sums[chunk] = sums[chunk] + sums[chunk + half];
  return sums[0];
}

template <int kValues>
__device__ inline float LanePartOfSquares(const float (&v)[kValues]) {
  float squares[kValues];
#pragma unroll
  for (int i = 0; i < kValues; ++i) squares[i] = v[i] * v[i];
  return LanePart(squares);
}

// The rest of B(v), over the 16 lanes; every lane gets it.
__device__ inline float HalfSum(float part) {
#pragma unroll
  for (int lanes = 8; lanes >= 1; lanes /= 2) part = part + __shfl_xor_sync(kAllLanes, part, lanes);
  return part;
}

// Eight HalfSums for the shuffles of two: each step also halves the number of sums a lane works on. Lane l of the half
// gets that of parts[l / 2].
__device__ inline float TransposedSums(float (&parts)[8]) {
  const unsigned lane = HalfLane();
#pragma unroll
  for (int lanes = 8; lanes >= 2; lanes /= 2) {
    const int kept = lanes / 2;
    const bool upper = (lane & static_cast<unsigned>(lanes)) != 0;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (i >= kept) continue;
      const float send = upper ? parts[i] : parts[i + kept];
      const float keep = upper ? parts[i + kept] : parts[i];
      parts[i] = keep + __shfl_xor_sync(kAllLanes, send, lanes);
    }
  }
  return parts[0] + __shfl_xor_sync(kAllLanes, parts[0], 1);
}
// Where TransposedSums leaves the sum of parts[i].
__device__ inline int LaneOfSum(int i) { return 2 * i; }
__device__ inline int SumOfLane() { return static_cast<int>(HalfLane() / 2); }

}  // namespace sub1quant
