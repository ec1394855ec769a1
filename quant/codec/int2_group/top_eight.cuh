// The eight largest magnitudes of a group in a half-warp, and which positions hold the K largest.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "quant/codec/half_warp.cuh"

namespace sub1quant {

constexpr int kTop = 8;

__device__ inline void Descend(float* a, float* b) {
  const float high = std::fmax(*a, *b), low = std::fmin(*a, *b);
  *a = high;
  *b = low;
}

// Sorting network with 19 comparators.
__device__ inline void SortEight(float (&v)[kTop]) {
  constexpr int kPairs[19][2] = {{0, 2}, {1, 3}, {4, 6}, {5, 7}, {0, 4}, {1, 5}, {2, 6}, {3, 7}, {0, 1}, {2, 3},
                                 {4, 5}, {6, 7}, {2, 4}, {3, 5}, {1, 4}, {3, 6}, {1, 2}, {3, 4}, {5, 6}};
#pragma unroll
  for (int i = 0; i < 19; ++i) Descend(&v[kPairs[i][0]], &v[kPairs[i][1]]);
}

// Sorts a list that rises to some place and falls behind it, or the other way round, around the end or not (bitonic).
template <int kCount>
__device__ inline void SortBitonic(float (&v)[kCount]) {
#pragma unroll
  for (int stride = kCount / 2; stride >= 1; stride /= 2)
#pragma unroll
    for (int i = 0; i < kCount; ++i)
      if ((i & stride) == 0) Descend(&v[i], &v[i + stride]);
}

// Descending, of this lane's magnitudes.
template <int kValues>
__device__ inline void SortLane(const float (&t)[kValues], float (&top)[kTop]) {
#pragma unroll
  for (int i = 0; i < kTop; ++i) top[i] = i < kValues ? Magnitude(t[i]) : 0.0f;
  SortEight(top);
  if constexpr (kValues > kTop) {
    float rest[kTop];
#pragma unroll
    for (int i = 0; i < kTop; ++i) rest[i] = Magnitude(t[kTop + i]);
    SortEight(rest);
#pragma unroll
    for (int i = 0; i < kTop; ++i) top[i] = std::fmax(top[i], rest[kTop - 1 - i]);
    SortBitonic(top);
  }
}

// The eight largest of a half-warp, c[0] >= … >= c[7], in two lanes and their copies: `keys` of lanes 0 to 7 are c[0],
// …, c[3]; of lanes 8 to 15, which sort the other end, -c[7], …, -c[4].
struct TopEight {
  float keys[kTop / 2];

  // c[k - 1]. All lanes call it with the same k.
  __device__ float Largest(int k) const {
    const int place = k <= kTop / 2 ? k - 1 : kTop - k;
    float key = keys[0];
#pragma unroll
    for (int i = 1; i < kTop / 2; ++i) key = place == i ? keys[i] : key;
    return Magnitude(FromHalfLane(key, k <= kTop / 2 ? 0 : 8));
  }
};

// Lists c and d, descending: the larger ones of c[i] and d[7 - i] are the eight largest, a bitonic list. Its first step of
// sorting puts the larger ones of places i and i + 4 into the first half, which then is bitonic again, as is the second.
template <int kValues>
__device__ inline TopEight FindTopEight(const float (&t)[kValues]) {
  constexpr int kKept = kTop / 2;
  const bool upper = HalfLane() >= 8;
  float list[kTop];
  SortLane(t, list);
  TopEight top;
  // With the lane eight away: the lower lane takes places 0 to 3, the upper one 7 to 4.
#pragma unroll
  for (int i = 0; i < kKept; ++i) {
    const float larger = std::fmax(list[i], __shfl_xor_sync(kAllLanes, list[kTop - 1 - i], 8));
    top.keys[i] = upper ? -larger : larger;
  }
#pragma unroll
  for (int lanes = 8; lanes >= 1; lanes /= 2) {
    if (lanes < 8) {
      // With the lanes that have the other end of another list.
#pragma unroll
      for (int i = 0; i < kKept; ++i) {
        const float other = -__shfl_xor_sync(kAllLanes, top.keys[i], 8 | lanes);
        top.keys[i] = upper ? std::fmin(top.keys[i], other) : std::fmax(top.keys[i], other);
      }
    }
    float other[kKept];
#pragma unroll
    for (int i = 0; i < kKept; ++i) other[i] = __shfl_xor_sync(kAllLanes, top.keys[kKept - 1 - i], 8);
#pragma unroll
    for (int i = 0; i < kKept; ++i) top.keys[i] = std::fmax(top.keys[i], -other[i]);
    SortBitonic(top.keys);
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

// Of the positions that reach `least`, the K-th largest |t|: which belong to the K largest if more than K do, a bit for
// each position of the lane. Those above `least` do, and as many of the equal ones as are left, by ascending position.
template <int kValues>
__device__ inline uint32_t SettleTies(const float (&t)[kValues], float least, int k) {
  uint32_t selected = 0, equal = 0;
#pragma unroll
  for (int i = 0; i < kValues; ++i) {
    selected |= (Magnitude(t[i]) > least ? 1u : 0u) << i;
    equal |= (Magnitude(t[i]) == least ? 1u : 0u) << i;
  }
  int above = __popc(selected);
#pragma unroll
  for (int lanes = 8; lanes >= 1; lanes /= 2) above += __shfl_xor_sync(kAllLanes, above, lanes);
  const auto places = static_cast<unsigned>(k - above);
  SetOrder order;
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

// Calls choose(i, selected) for each position of the lane: whether it is one of the K largest |t|, of equal ones the first.
// Where there are ties, a position is chosen twice; the second time counts. 1 <= k <= 8.
template <int kValues, typename Choose>
__device__ inline void ForLargest(const float (&t)[kValues], const TopEight& top, int k, const Choose& choose) {
  const float least = top.Largest(k);
  unsigned reaching = 0;
#pragma unroll
  for (int i = 0; i < kValues; ++i) {
    const bool reaches = Magnitude(t[i]) >= least;
    choose(i, reaches);
    reaching += reaches ? 1u : 0u;
  }
  // Each half has at least K of them.
  if (Usually(__reduce_add_sync(kAllLanes, reaching) == 2 * static_cast<unsigned>(k))) return;
  const uint32_t selected = SettleTies(t, least, k);
#pragma unroll
  for (int i = 0; i < kValues; ++i) choose(i, ((selected >> i) & 1) != 0);
}

}  // namespace sub1quant
