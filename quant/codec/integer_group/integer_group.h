// Groups of the integer family int{B} (docs/formats.md §9): shared by the codecs and the search. Integer codes of B
// bits times one float16 scale of either sign, which is searched over a fixed grid.
#pragma once

#include <cstdint>
#include <vector>

#include "quant/codec/weight_tile.h"

namespace sub1quant {

// B of the family: 2, 3, 4, 5, 6, 8.
const std::vector<int>& IntegerWidths();

// The codes of int{B}: q from -2^(B-1) to 2^(B-1)-1, stored as q + 2^(B-1).
constexpr int IntegerOffset(int bits) { return 1 << (bits - 1); }

// The factors f_j of docs/formats.md §9 in the order in which they are tried.
const std::vector<float>& IntegerGrid(int bits);

// True where int{B} must refuse: fp16(absmax / 2^(B-1)) is infinite.
bool IntegerScaleOverflows(float absmax, int bits);

// The kept scale and what it costs.
struct IntegerChoice {
  float cost = 0;      // B(h*(err*err)), by which it was chosen; h = 1 without importance
  float sum = 0;       // S of docs/formats.md §7: B(err*err)
  uint16_t scale = 0;  // float16 bits, of either sign
};

// Tries both signs of every factor; the first of equals wins. `importance`: null, or h of the group's positions,
// `group.size` finite floats, none negative, +0 in the padding. The group has passed IntegerScaleOverflows.
void ChooseInteger(const WeightGroup& group, int bits, const float* importance, IntegerChoice* choice);

// The codes q + 2^(B-1), one a byte, `group.size` of them. `scale` as ChooseInteger gave it.
void EncodeInteger(const WeightGroup& group, int bits, uint16_t scale, uint8_t* codes);

// The same of sixteen groups. The fields are those of IntegerChoice.
struct IntegerTileChoice {
  float costs[kTileLanes], sums[kTileLanes];
  uint16_t scales[kTileLanes];
};
using IntegerWords =
    uint32_t[kMaxGroupSize * 8 / 32][kTileLanes];  // of `bits` a position, an LSB-first stream each lane

// What an instruction set provides. No lane in use overflows. `importance`: null, or h laid out as the tile's weights.
struct IntegerKernels {
  void (*choose)(const WeightTile& tile, int bits, const float* importance, IntegerTileChoice* choice);
  void (*encode)(const WeightTile& tile, int bits, const uint16_t* scales, IntegerWords* words);
};

void ChooseIntegerReference(const WeightTile& tile, int bits, const float* importance, IntegerTileChoice* choice);
void EncodeIntegerReference(const WeightTile& tile, int bits, const uint16_t* scales, IntegerWords* words);

}  // namespace sub1quant
