// The eight largest magnitudes of a group in a half-warp, and which positions hold the K largest. Magnitudes are
// compared as the integers of their bits, which order as they do.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "quant/codec/half_warp.cuh"

namespace sub1quant {

constexpr int kTop = 8;

// Descending, the same in all lanes of the half.
struct TopEight {
  uint32_t keys[kTop];

  // The k-th largest, 1 <= k <= 8, without indexing registers by a variable.
  __device__ uint32_t Largest(int k) const {
    uint32_t key = keys[0];
#pragma unroll
    for (int i = 1; i < kTop; ++i) key = i < k ? keys[i] : key;
    return key;
  }
};

__device__ inline void Descend(uint32_t* a, uint32_t* b) {
  const uint32_t high = *a > *b ? *a : *b, low = *a > *b ? *b : *a;
  *a = high;
  *b = low;
}

// Sorting network with 19 comparators.
__device__ inline void SortEight(uint32_t (&v)[kTop]) {
  constexpr int kPairs[19][2] = {{0, 2}, {1, 3}, {4, 6}, {5, 7}, {0, 4}, {1, 5}, {2, 6}, {3, 7}, {0, 1}, {2, 3},
                                 {4, 5}, {6, 7}, {2, 4}, {3, 5}, {1, 4}, {3, 6}, {1, 2}, {3, 4}, {5, 6}};
#pragma unroll
  for (int i = 0; i < 19; ++i) Descend(&v[kPairs[i][0]], &v[kPairs[i][1]]);
}

// The eight largest of two descending lists; `other` comes in reverse. Their element-wise maximum is a bitonic list.
__device__ inline void MergeEight(uint32_t (&v)[kTop], const uint32_t (&reversed_other)[kTop]) {
#pragma unroll
  for (int i = 0; i < kTop; ++i) v[i] = v[i] > reversed_other[i] ? v[i] : reversed_other[i];
#pragma unroll
  for (int stride = kTop / 2; stride >= 1; stride /= 2)
#pragma unroll
    for (int i = 0; i < kTop; ++i)
      if ((i & stride) == 0) Descend(&v[i], &v[i + stride]);
}

template <int kValues>
__device__ inline TopEight FindTopEight(const float (&t)[kValues]) {
  TopEight top{};
#pragma unroll
  for (int i = 0; i < kTop && i < kValues; ++i) top.keys[i] = std::bit_cast<uint32_t>(Magnitude(t[i]));
  SortEight(top.keys);
  if constexpr (kValues > kTop) {
    uint32_t rest[kTop], reversed[kTop];
#pragma unroll
    for (int i = 0; i < kTop; ++i) rest[i] = std::bit_cast<uint32_t>(Magnitude(t[kTop + i]));
    SortEight(rest);
#pragma unroll
    for (int i = 0; i < kTop; ++i) reversed[i] = rest[kTop - 1 - i];
    MergeEight(top.keys, reversed);
  }
#pragma unroll 1
  for (int lanes = 8; lanes >= 1; lanes /= 2) {
    uint32_t reversed[kTop];
#pragma unroll
    for (int i = 0; i < kTop; ++i) reversed[i] = __shfl_xor_sync(kAllLanes, top.keys[kTop - 1 - i], lanes);
    MergeEight(top.keys, reversed);
  }
  return top;
}

// Bit i: this lane's position i is one of a set. `votes` per chunk say how many of the set come before a position, in
// ascending order of positions.
struct SetOrder {
  unsigned before = 0;  // in the chunks done so far

  // Of the two positions of a chunk: how many of the set stand before each. All lanes call it for every chunk in order.
  __device__ void Next(bool in_first, bool in_second, unsigned* first, unsigned* second) {
    const unsigned below = (1u << HalfLane()) - 1;
    const unsigned firsts = HalfVotes(__ballot_sync(kAllLanes, in_first));
    const unsigned seconds = HalfVotes(__ballot_sync(kAllLanes, in_second));
    *first = before + static_cast<unsigned>(__popc(firsts & below) + __popc(seconds & below));
    *second = *first + (in_first ? 1u : 0u);
    before += static_cast<unsigned>(__popc(firsts) + __popc(seconds));
  }
};

// The K positions of largest |t|, equal ones by ascending position: exactly K of the group. 1 <= k <= 8.
template <int kValues>
__device__ inline uint32_t SelectLargest(const float (&t)[kValues], const TopEight& top, int k) {
  const uint32_t least = top.Largest(k);
  uint32_t above = 0, equal = 0;
#pragma unroll
  for (int i = 0; i < kValues; ++i) {
    const uint32_t key = std::bit_cast<uint32_t>(Magnitude(t[i]));
    above |= (key > least ? 1u : 0u) << i;
    equal |= (key == least ? 1u : 0u) << i;
  }
  // Below eight, the list itself shows whether more than K positions reach the K-th magnitude.
  bool crowded = k < kTop && top.Largest(k + 1) == least;
  if (k == kTop) {
    unsigned reaching = static_cast<unsigned>(__popc(above | equal));
    for (int lanes = 8; lanes >= 1; lanes /= 2) reaching += __shfl_xor_sync(kAllLanes, reaching, lanes);
    crowded = reaching > kTop;
  }
  if (!__any_sync(kAllLanes, crowded)) return above | equal;
  // So many of the list are above the K-th; the rest of the places goes to the first of the equal ones.
  unsigned places = static_cast<unsigned>(k);
#pragma unroll
  for (int i = 0; i < kTop; ++i) places -= top.keys[i] > least ? 1u : 0u;
  SetOrder order;
  uint32_t selected = above;
#pragma unroll
  for (int i = 0; i < kValues; i += 2) {
    const bool first = ((equal >> i) & 1) != 0, second = ((equal >> (i + 1)) & 1) != 0;
    unsigned before_first, before_second;
    order.Next(first, second, &before_first, &before_second);
    selected |= (first && before_first < places ? 1u : 0u) << i;
    selected |= (second && before_second < places ? 1u : 0u) << (i + 1);
  }
  return selected;
}

}  // namespace sub1quant
