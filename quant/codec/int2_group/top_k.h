// The largest corrections of a group, in the order in which the k-formats store them.
#pragma once

#include <bit>
#include <cstdint>

#include "quant/codec/arithmetic.h"

namespace sub1quant {

struct TopK {
  int count = 0;
  uint32_t keys[kMaxGroupSize];  // bits of |t|, which order as the values do
  uint8_t indices[kMaxGroupSize];
};

// The `k` positions of largest |t|, descending, equal ones by ascending index; 1 <= k <= kSize. Padding must be 0: it
// then ranks behind the real positions. Insertion into a short sorted list: after the first few positions a new one is
// rare.
template <int kSize>
inline void SelectTopK(const float* t, int k, TopK* top) {
  int count = 0;
  uint32_t least = 0;
  for (int i = 0; i < kSize; ++i) {
    const uint32_t key = std::bit_cast<uint32_t>(Magnitude(t[i]));
    if (count == k && key <= least) continue;
    int place = count < k ? count++ : k - 1;
    for (; place > 0 && top->keys[place - 1] < key; --place) {
      top->keys[place] = top->keys[place - 1];
      top->indices[place] = top->indices[place - 1];
    }
    top->keys[place] = key;
    top->indices[place] = static_cast<uint8_t>(i);
    least = top->keys[count - 1];
  }
  top->count = k;
}

}  // namespace sub1quant
