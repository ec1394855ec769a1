#include "quant/codec/int2_group/int2_group.h"

#include <algorithm>

#include "quant/codec/arithmetic.h"
#include "quant/codec/int2_group/top_k.h"
#include "quant/codec/packing.h"

namespace sub1quant {
namespace {

// Base and sign step of one multiplier. Padding goes through like a weight of 0.
template <int kSize>
struct Step {
  uint16_t base_scale = 0, residual_scale = 0;
  alignas(64) float q[kSize];
  alignas(64) float e[kSize];
  alignas(64) float t[kSize];

  void Run(const float* weights, float absmax, float multiplier) {
    base_scale = Fp16Bits(multiplier * absmax);
    const float s = Fp16Value(base_scale);
    alignas(64) float magnitudes[kSize];
    for (int i = 0; i < kSize; ++i) {
      q[i] = RoundToCode(weights[i] / s, 1.0f);
      e[i] = weights[i] - q[i] * s;
      magnitudes[i] = Magnitude(e[i]);
    }
    residual_scale = Fp16Bits(ButterflySum<kSize>(magnitudes) / static_cast<float>(kSize));
    const float r = Fp16Value(residual_scale);
    for (int i = 0; i < kSize; ++i) t[i] = e[i] - (e[i] >= 0.0f ? r : -r);
  }

  void ClearPadding(int real) {
    std::fill(e + real, e + kSize, 0.0f);
    std::fill(t + real, t + kSize, 0.0f);
  }
};

// The 4-bit code steps of the entries of `top`. The scale is that of the largest, so it is the same for every k.
struct CorrectionScale {
  explicit CorrectionScale(float largest) : bits(Fp16Bits(largest / 7.0f)), value(Fp16Value(bits)) {}
  float Code(float t) const { return RoundToCode(t / (value == 0.0f ? 1.0f : value), 7.0f); }

  uint16_t bits;
  float value;
};

// A cost and the multiplier that it belongs to.
struct Best {
  float cost = 0;
  int multiplier = 0;
  bool Offer(float new_cost, int new_multiplier) {
    if (new_multiplier != 0 && !(new_cost < cost)) return false;
    cost = new_cost;
    multiplier = new_multiplier;
    return true;
  }
};

// What the reference keeps of one group.
struct GroupChoices {
  Best binary;
  float base_sum = 0, binary_sum = 0;
  Best k[kMaxGroupSize];
};

// Offers the costs of one multiplier to all k. `squares` is t*t with 0 in the padding; entries of `top` are replaced as
// k grows.
template <int kSize>
void OfferCorrected(const Step<kSize>& step, const Int2Request& request, int multiplier, float* squares, Best* bests) {
  TopK top;
  SelectTopK<kSize>(step.t, request.ks[request.k_count - 1], &top);
  const CorrectionScale scale(std::bit_cast<float>(top.keys[0]));
  int done = 0;
  for (int i = 0; i < request.k_count; ++i) {
    for (; done < request.ks[i]; ++done) {
      const int at = top.indices[done];
      const float u = step.t[at] - scale.Code(step.t[at]) * scale.value;
      squares[at] = u * u;
    }
    bests[i].Offer(ButterflySum<kSize>(squares), multiplier);
  }
}

template <int kSize>
void Choose(const WeightGroup& group, const Int2Request& request, GroupChoices* choices) {
  if (IsZeroGroup(group.absmax)) {
    // Encoded as zeros at the first multiplier; the error is the weights themselves.
    const float sum = ButterflySumOfSquares<kSize>(group.weights);
    choices->base_sum = choices->binary_sum = sum;
    for (int i = 0; i < request.k_count; ++i) choices->k[i] = {sum, 0};
    return;
  }
  Step<kSize> step;
  alignas(64) float squares[kSize];
  for (int m = 0; m < kInt2Multipliers; ++m) {
    step.Run(group.weights, group.absmax, Int2Multiplier(m));
    // The choice of int2_binary_residual counts the padding, the error sums do not.
    const float cost = request.binary ? ButterflySumOfSquares<kSize>(step.t) : 0.0f;
    const bool keep = request.binary && choices->binary.Offer(cost, m);
    if (group.real < kSize) step.ClearPadding(group.real);
    if (keep) {
      choices->binary_sum = group.real < kSize ? ButterflySumOfSquares<kSize>(step.t) : cost;
      choices->base_sum = ButterflySumOfSquares<kSize>(step.e);
    }
    if (request.k_count == 0) continue;
    for (int i = 0; i < kSize; ++i) squares[i] = step.t[i] * step.t[i];
    OfferCorrected<kSize>(step, request, m, squares, choices->k);
  }
}

// A zero group is encoded as if its weights were 0 and absmax 1.
template <int kSize>
void RunForCodes(const WeightGroup& group, int multiplier, Step<kSize>* step) {
  if (!IsZeroGroup(group.absmax)) return step->Run(group.weights, group.absmax, Int2Multiplier(multiplier));
  const float zeros[kSize] = {};
  step->Run(zeros, 1.0f, Int2Multiplier(0));
}

template <int kSize>
void Encode(const WeightGroup& group, int multiplier, int lane, Int2Tile* out) {
  Step<kSize> step;
  RunForCodes<kSize>(group, multiplier, &step);
  out->base_scales[lane] = step.base_scale;
  out->residual_scales[lane] = step.residual_scale;
  const bool signs = !IsZeroGroup(group.absmax);
  for (int i = 0; i < kSize; ++i) {
    PutCode<2>(static_cast<uint32_t>(static_cast<int>(step.q[i]) + 1), i, lane, out->base);
    PutCode<1>(signs && step.e[i] >= 0.0f ? 1u : 0u, i, lane, out->signs);
  }
}

// `t` is 0 in the padding.
template <int kSize>
void Correct(const float* t, int real, int k, Int2Corrections* corrections) {
  TopK top;
  SelectTopK<kSize>(t, k, &top);
  const CorrectionScale scale(std::bit_cast<float>(top.keys[0]));
  corrections->scale = scale.bits;
  corrections->count = static_cast<uint8_t>(std::min(k, real));
  for (int i = 0; i < k; ++i) {
    corrections->indices[i] = top.indices[i];
    corrections->codes[i] = static_cast<uint8_t>(static_cast<int>(scale.Code(t[top.indices[i]])) + 8);
  }
}

}  // namespace

bool Int2ScaleOverflows(float absmax) { return Fp16Bits(absmax) == kFp16Infinity; }

void ChooseInt2Reference(const WeightTile& tile, const Int2Request& request, Int2Choices* choices) {
  GroupChoices kept;
  for (int lane = 0; lane < tile.lanes; ++lane) {
    const WeightGroup group = GroupOf(tile, lane);
    kept.binary = {};
    WithGroupSize(group.size, [&]<int kSize>() { Choose<kSize>(group, request, &kept); });
    choices->binary.multipliers[lane] = static_cast<uint8_t>(kept.binary.multiplier);
    choices->binary.sums[lane] = kept.binary_sum;
    choices->base_sums[lane] = kept.base_sum;
    for (int i = 0; i < request.k_count; ++i) {
      choices->k[i].multipliers[lane] = static_cast<uint8_t>(kept.k[i].multiplier);
      choices->k[i].sums[lane] = kept.k[i].cost;
    }
  }
}

void EncodeInt2Reference(const WeightTile& tile, const uint8_t* multipliers, Int2Tile* out) {
  std::fill_n(&out->base[0][0], tile.group_size / 16 * kTileLanes, 0u);
  std::fill_n(&out->signs[0][0], tile.group_size / 32 * kTileLanes, 0u);
  for (int lane = 0; lane < tile.lanes; ++lane) {
    const WeightGroup group = GroupOf(tile, lane);
    WithGroupSize(group.size, [&]<int kSize>() { Encode<kSize>(group, multipliers[lane], lane, out); });
  }
}

void CorrectInt2Errors(const float* t, int stride, int group_size, int real, int k, Int2Corrections* corrections) {
  alignas(64) float errors[kMaxGroupSize];
  for (int i = 0; i < group_size; ++i) errors[i] = i < real ? t[i * stride] : 0.0f;
  WithGroupSize(group_size, [&]<int kSize>() { Correct<kSize>(errors, real, k, corrections); });
}

void CorrectInt2Reference(const WeightTile& tile, const uint8_t* multipliers, int k, Int2Corrections* corrections) {
  for (int lane = 0; lane < tile.lanes; ++lane) {
    const WeightGroup group = GroupOf(tile, lane);
    WithGroupSize(group.size, [&]<int kSize>() {
      Step<kSize> step;
      RunForCodes<kSize>(group, multipliers[lane], &step);
      CorrectInt2Errors(step.t, 1, kSize, group.real, k, &corrections[lane]);
    });
  }
}

}  // namespace sub1quant
