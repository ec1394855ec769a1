// One group of the INT2 formats: shared by the codecs and the search, so that candidates of one matrix compute the base
// encodings of the six multipliers once. No heap.
#pragma once

#include <cstdint>
#include <vector>

#include "quant/codec/weight_group.h"

namespace sub1quant {

// True where these formats must refuse: fp16(absmax) is infinite (the scale at multiplier 1).
bool Int2ScaleOverflows(const WeightGroup& group);

// Which formats to evaluate.
struct Int2Request {
  bool binary = false;  // int2_base and int2_binary_residual
  std::vector<int> ks;  // strictly ascending, each 1 <= k <= min(group size, 255)
};

// What ChooseInt2 found. `multiplier` counts in the order of docs/formats.md §3.
struct Int2Choice {
  float cost = 0;  // of the kept multiplier, by the format's own rule
  int multiplier = 0;
};
struct Int2Choices {
  Int2Choice binary;
  float base_sum = 0, binary_sum = 0;  // S of docs/formats.md §7
  Int2Choice k[kMaxGroupSize];         // as request.ks; their cost is their S
};

void ChooseInt2(const WeightGroup& group, const Int2Request& request, Int2Choices* choices);

// The encoding of one group at one multiplier.
struct Int2Codes {
  uint16_t base_scale = 0, residual_scale = 0;
  uint8_t base[kMaxGroupSize];   // q + 1
  uint8_t signs[kMaxGroupSize];  // 1 = positive
};
void EncodeInt2Base(const WeightGroup& group, int multiplier, Int2Codes* codes);

struct Int2Corrections {
  uint16_t scale = 0;
  uint8_t count = 0;  // entries that are real positions
  uint8_t indices[kMaxGroupSize];
  uint8_t codes[kMaxGroupSize];  // qo + 8
};
// As EncodeInt2Base, with the k corrections on top.
void EncodeInt2Corrected(const WeightGroup& group, int multiplier, int k, Int2Codes* codes,
                         Int2Corrections* corrections);

}  // namespace sub1quant
