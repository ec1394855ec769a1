// Sixteen groups of groupwise_int4 (docs/formats.md §2): shared by the codec and the search.
#pragma once

#include <cstdint>

#include "quant/codec/weight_tile.h"

namespace sub1quant {

struct Int4Tile {
  float sums[kTileLanes];                                     // S of docs/formats.md §7
  uint16_t scales[kTileLanes];                                // float16
  alignas(64) uint32_t words[kMaxGroupSize / 8][kTileLanes];  // q + 8 in 4 bits
};

// What an instruction set provides. No lane in use overflows.
struct Int4Kernels {
  void (*evaluate)(const WeightTile& tile, float* sums);
  void (*encode)(const WeightTile& tile, Int4Tile* out);
};

// fp16(absmax/7) is infinite: the format must refuse this group.
bool Int4ScaleOverflows(float absmax);

void EvaluateInt4Reference(const WeightTile& tile, float* sums);
void EncodeInt4Reference(const WeightTile& tile, Int4Tile* out);

}  // namespace sub1quant
