// Sixteen groups of the INT2 formats: shared by the codecs and the search, so that candidates of one matrix compute the
// base encodings of the six multipliers once. No heap.
#pragma once

#include <cstdint>

#include "quant/codec/weight_tile.h"

namespace sub1quant {

// True where these formats must refuse: fp16(absmax) is infinite (the scale at multiplier 1).
bool Int2ScaleOverflows(float absmax);

// Which formats to evaluate.
struct Int2Request {
  bool binary = false;      // int2_base and int2_binary_residual
  const int* ks = nullptr;  // strictly ascending, each 1 <= k <= min(group size, 255); not owned
  int k_count = 0;
};

// What was kept for one format: the multiplier that its own rule picks, and S of docs/formats.md §7 of each lane.
struct Int2Choice {
  uint8_t multipliers[kTileLanes];  // their numbers, see Int2Multiplier
  float sums[kTileLanes];
};
struct Int2Choices {
  Int2Choice binary;
  float base_sums[kTileLanes];  // of int2_base, at the multipliers of `binary`
  Int2Choice k[kMaxGroupSize];  // as request.ks
};

// The encoding of each lane at one multiplier.
struct Int2Tile {
  uint16_t base_scales[kTileLanes], residual_scales[kTileLanes];  // float16
  alignas(64) uint32_t base[kMaxGroupSize / 16][kTileLanes];      // q + 1 in 2 bits
  alignas(64) uint32_t signs[kMaxGroupSize / 32][kTileLanes];     // 1 = positive
};

// The corrections of one lane on top of it, in the order of docs/formats.md §4.
struct Int2Corrections {
  uint16_t scale = 0;
  uint8_t count = 0;  // entries that are real positions
  uint8_t indices[kMaxGroupSize];
  uint8_t codes[kMaxGroupSize];  // qo + 8
};

// What an instruction set provides. No lane in use overflows.
struct Int2Kernels {
  void (*choose)(const WeightTile& tile, const Int2Request& request, Int2Choices* choices);
  // Zero groups (docs/formats.md §1) have sign bits 0; the k-formats turn them.
  void (*encode)(const WeightTile& tile, const uint8_t* multipliers, Int2Tile* out);
  // `corrections`: one a lane.
  void (*correct)(const WeightTile& tile, const uint8_t* multipliers, int k, Int2Corrections* corrections);
};

// The corrections of one group. `t`: its errors after the sign step, `stride` apart, padding of any value.
void CorrectInt2Errors(const float* t, int stride, int group_size, int real, int k, Int2Corrections* corrections);

void ChooseInt2Reference(const WeightTile& tile, const Int2Request& request, Int2Choices* choices);
void EncodeInt2Reference(const WeightTile& tile, const uint8_t* multipliers, Int2Tile* out);
void CorrectInt2Reference(const WeightTile& tile, const uint8_t* multipliers, int k, Int2Corrections* corrections);

}  // namespace sub1quant
