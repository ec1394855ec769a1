#include "quant/codec/integer_group/integer_group.h"

#include "core/check.h"
#include "quant/codec/arithmetic.h"
#include "quant/codec/integer_group/bit_stream.h"
#include "quant/codec/integer_group/integer_grid.h"

namespace sub1quant {
namespace {

constexpr int kMaxBits = 8;

std::vector<std::vector<float>> MakeGrids() {
  std::vector<std::vector<float>> grids(kMaxBits + 1);
  for (const IntegerGridSpec& spec : kIntegerGrids)
    for (int j = 0; j < spec.count; ++j) grids[static_cast<size_t>(spec.bits)].push_back(IntegerFactor(spec, j));
  return grids;
}

bool IsZeroGroup(const WeightGroup& group, int bits) {
  return Fp16Bits(group.absmax / static_cast<float>(IntegerOffset(bits))) == 0;
}

// clamp(rne(w * inverse), lo, hi); clamping first gives the same. Never -0.
float Code(float w, float inverse, float low, float high) { return RoundToInteger(Clamp(w * inverse, low, high)); }

template <int kSize>
void Quantize(const WeightGroup& group, int bits, float scale, float* q) {
  const auto low = static_cast<float>(-IntegerOffset(bits)), high = static_cast<float>(IntegerOffset(bits) - 1);
  const float inverse = 1.0f / scale;
  for (int i = 0; i < kSize; ++i) q[i] = Code(group.weights[i], inverse, low, high);
}

// Fills cost and sum of one scale. Padding has weight +0, so code 0 and error 0.
template <int kSize>
IntegerChoice Try(const WeightGroup& group, int bits, uint16_t scale_bits, const float* importance) {
  alignas(64) float q[kSize];
  alignas(64) float squares[kSize];
  const float scale = Fp16Value(scale_bits);
  Quantize<kSize>(group, bits, scale, q);
  for (int i = 0; i < kSize; ++i) {
    const float error = group.weights[i] - q[i] * scale;
    squares[i] = error * error;
  }
  IntegerChoice tried;
  tried.scale = scale_bits;
  tried.cost = tried.sum = ButterflySum<kSize>(squares);
  if (importance == nullptr) return tried;
  for (int i = 0; i < kSize; ++i) squares[i] = importance[i] * squares[i];
  tried.cost = ButterflySum<kSize>(squares);
  return tried;
}

template <int kSize>
IntegerChoice Choose(const WeightGroup& group, int bits, const float* importance) {
  // Scale 1 is far above the weights of a zero group: codes 0, errors the weights themselves.
  if (IsZeroGroup(group, bits)) return Try<kSize>(group, bits, kFp16One, importance);
  IntegerChoice best;
  bool found = false;
  for (const float factor : IntegerGrid(bits)) {
    const uint16_t magnitude = Fp16Bits((factor * group.absmax) / static_cast<float>(IntegerOffset(bits)));
    if (magnitude == 0 || magnitude == kFp16Infinity) continue;
    for (const uint16_t sign : {uint16_t{0}, uint16_t{0x8000}}) {
      const IntegerChoice tried = Try<kSize>(group, bits, static_cast<uint16_t>(magnitude | sign), importance);
      if (!found || tried.cost < best.cost) best = tried;
      found = true;
    }
  }
  SUB1QUANT_CHECK(found);  // factor 1 would be fine, and every grid has factors on both sides of it
  return best;
}

}  // namespace

const std::vector<int>& IntegerWidths() {
  static const std::vector<int> widths = {2, 3, 4, 5, 6, 8};
  return widths;
}

const std::vector<float>& IntegerGrid(int bits) {
  static const std::vector<std::vector<float>> grids = MakeGrids();
  return grids.at(static_cast<size_t>(bits));
}

bool IntegerScaleOverflows(float absmax, int bits) {
  return Fp16Bits(absmax / static_cast<float>(IntegerOffset(bits))) == kFp16Infinity;
}

void ChooseInteger(const WeightGroup& group, int bits, const float* importance, IntegerChoice* choice) {
  *choice = WithGroupSize(group.size, [&]<int kSize>() { return Choose<kSize>(group, bits, importance); });
}

void EncodeInteger(const WeightGroup& group, int bits, uint16_t scale, uint8_t* codes) {
  WithGroupSize(group.size, [&]<int kSize>() {
    alignas(64) float q[kSize];
    Quantize<kSize>(group, bits, Fp16Value(scale), q);
    for (int i = 0; i < kSize; ++i) codes[i] = static_cast<uint8_t>(static_cast<int>(q[i]) + IntegerOffset(bits));
  });
}

void ChooseIntegerReference(const WeightTile& tile, int bits, const float* importance, IntegerTileChoice* choice) {
  alignas(64) float h[kMaxGroupSize];
  for (int lane = 0; lane < tile.lanes; ++lane) {
    if (importance != nullptr)
      for (int i = 0; i < tile.group_size; ++i) h[i] = importance[i * kTileLanes + lane];
    IntegerChoice kept;
    ChooseInteger(GroupOf(tile, lane), bits, importance == nullptr ? nullptr : h, &kept);
    choice->costs[lane] = kept.cost;
    choice->sums[lane] = kept.sum;
    choice->scales[lane] = kept.scale;
  }
}

void EncodeIntegerReference(const WeightTile& tile, int bits, const uint16_t* scales, IntegerWords* words) {
  uint8_t codes[kMaxGroupSize];
  uint32_t stream[kMaxGroupSize * 8 / 32];
  for (int lane = 0; lane < tile.lanes; ++lane) {
    EncodeInteger(GroupOf(tile, lane), bits, scales[lane], codes);
    PackStream(codes, tile.group_size, bits, reinterpret_cast<uint8_t*>(stream));
    for (int i = 0; i < tile.group_size * bits / 32; ++i) (*words)[i][lane] = stream[i];
  }
}

}  // namespace sub1quant
