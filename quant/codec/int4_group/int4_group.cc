#include "quant/codec/int4_group/int4_group.h"

#include <algorithm>

#include "quant/codec/packing.h"

namespace sub1quant {
namespace {

struct Group {
  alignas(64) float q[kMaxGroupSize];
  alignas(64) float error[kMaxGroupSize];
};

// The weights of a zero group are far below half of its scale 1: codes 0, errors the weights themselves.
template <int kSize>
float Encode(const WeightGroup& group, float scale, Group* out) {
  for (int i = 0; i < kSize; ++i) out->q[i] = RoundToCode(group.weights[i] / scale, 7.0f);
  for (int i = 0; i < kSize; ++i) out->error[i] = group.weights[i] - out->q[i] * scale;
  return ButterflySumOfSquares<kSize>(out->error);
}

float EncodeGroup(const WeightTile& tile, int lane, uint16_t scale, Group* out) {
  const WeightGroup group = GroupOf(tile, lane);
  return WithGroupSize(group.size, [&]<int kSize>() { return Encode<kSize>(group, Fp16Value(scale), out); });
}

}  // namespace

bool Int4ScaleOverflows(float absmax) { return Int4ScaleBits(absmax) == kFp16Infinity; }

void EvaluateInt4Reference(const WeightTile& tile, float* sums) {
  Group group;
  for (int lane = 0; lane < tile.lanes; ++lane)
    sums[lane] = EncodeGroup(tile, lane, Int4ScaleBits(tile.absmax[lane]), &group);
}

void EncodeInt4Reference(const WeightTile& tile, Int4Tile* out) {
  std::fill_n(&out->words[0][0], tile.group_size / 8 * kTileLanes, 0u);
  Group group;
  for (int lane = 0; lane < tile.lanes; ++lane) {
    out->scales[lane] = Int4ScaleBits(tile.absmax[lane]);
    out->sums[lane] = EncodeGroup(tile, lane, out->scales[lane], &group);
    for (int i = 0; i < tile.group_size; ++i)
      PutCode<4>(static_cast<uint32_t>(static_cast<int>(group.q[i]) + 8), i, lane, out->words);
  }
}

}  // namespace sub1quant
