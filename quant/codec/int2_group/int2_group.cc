#include "quant/codec/int2_group/int2_group.h"

#include <algorithm>

#include "quant/codec/arithmetic.h"
#include "quant/codec/int2_group/top_k.h"

namespace sub1quant {
namespace {

constexpr float kMultipliers[] = {0.375f, 0.5f, 0.625f, 0.75f, 0.875f, 1.0f};
constexpr int kMultiplierCount = 6;

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

// Offers the costs of one multiplier to all k. `squares` is t*t with 0 in the padding; entries of `top` are replaced as
// k grows.
template <int kSize>
void OfferCorrected(const Step<kSize>& step, const std::vector<int>& ks, int multiplier, float* squares,
                    Int2Choice* choices) {
  TopK top;
  SelectTopK<kSize>(step.t, ks.back(), &top);
  const CorrectionScale scale(std::bit_cast<float>(top.keys[0]));
  int done = 0;
  for (size_t i = 0; i < ks.size(); ++i) {
    for (; done < ks[i]; ++done) {
      const int at = top.indices[done];
      const float u = step.t[at] - scale.Code(step.t[at]) * scale.value;
      squares[at] = u * u;
    }
    const float cost = ButterflySum<kSize>(squares);
    if (multiplier == 0 || cost < choices[i].cost) choices[i] = {cost, multiplier};
  }
}

template <int kSize>
void Choose(const WeightGroup& group, const Int2Request& request, Int2Choices* choices) {
  if (IsZeroGroup(group.absmax)) {
    // Encoded as zeros at the first multiplier; the error is the weights themselves.
    const float sum = ButterflySumOfSquares<kSize>(group.weights);
    choices->binary = {0.0f, 0};
    choices->base_sum = choices->binary_sum = sum;
    for (size_t i = 0; i < request.ks.size(); ++i) choices->k[i] = {sum, 0};
    return;
  }
  Step<kSize> step;
  alignas(64) float squares[kSize];
  for (int m = 0; m < kMultiplierCount; ++m) {
    step.Run(group.weights, group.absmax, kMultipliers[m]);
    // The choice of int2_binary_residual counts the padding, the error sums do not.
    const float cost = request.binary ? ButterflySumOfSquares<kSize>(step.t) : 0.0f;
    const bool keep = request.binary && (m == 0 || cost < choices->binary.cost);
    if (group.real < kSize) step.ClearPadding(group.real);
    if (keep) {
      choices->binary = {cost, m};
      choices->binary_sum = group.real < kSize ? ButterflySumOfSquares<kSize>(step.t) : cost;
      choices->base_sum = ButterflySumOfSquares<kSize>(step.e);
    }
    if (request.ks.empty()) continue;
    for (int i = 0; i < kSize; ++i) squares[i] = step.t[i] * step.t[i];
    OfferCorrected<kSize>(step, request.ks, m, squares, choices->k);
  }
}

// A zero group is encoded as if its weights were 0 and absmax 1.
template <int kSize>
void RunForCodes(const WeightGroup& group, int multiplier, Step<kSize>* step) {
  if (!IsZeroGroup(group.absmax)) return step->Run(group.weights, group.absmax, kMultipliers[multiplier]);
  const float zeros[kSize] = {};
  step->Run(zeros, 1.0f, kMultipliers[0]);
}

template <int kSize>
void StoreCodes(const Step<kSize>& step, Int2Codes* codes) {
  codes->base_scale = step.base_scale;
  codes->residual_scale = step.residual_scale;
  for (int i = 0; i < kSize; ++i) codes->base[i] = static_cast<uint8_t>(static_cast<int>(step.q[i]) + 1);
  for (int i = 0; i < kSize; ++i) codes->signs[i] = step.e[i] >= 0.0f ? 1 : 0;
}

template <int kSize>
void EncodeBase(const WeightGroup& group, int multiplier, Int2Codes* codes) {
  Step<kSize> step;
  RunForCodes<kSize>(group, multiplier, &step);
  StoreCodes<kSize>(step, codes);
  if (IsZeroGroup(group.absmax)) std::fill(codes->signs, codes->signs + kSize, uint8_t{0});
}

template <int kSize>
void EncodeCorrected(const WeightGroup& group, int multiplier, int k, Int2Codes* codes, Int2Corrections* corrections) {
  Step<kSize> step;
  RunForCodes<kSize>(group, multiplier, &step);
  StoreCodes<kSize>(step, codes);
  step.ClearPadding(group.real);
  TopK top;
  SelectTopK<kSize>(step.t, k, &top);
  const CorrectionScale scale(std::bit_cast<float>(top.keys[0]));
  corrections->scale = scale.bits;
  corrections->count = static_cast<uint8_t>(std::min(k, group.real));
  for (int i = 0; i < k; ++i) {
    corrections->indices[i] = top.indices[i];
    corrections->codes[i] = static_cast<uint8_t>(static_cast<int>(scale.Code(step.t[top.indices[i]])) + 8);
  }
}

}  // namespace

bool Int2ScaleOverflows(const WeightGroup& group) { return Fp16Bits(group.absmax) == kFp16Infinity; }

void ChooseInt2(const WeightGroup& group, const Int2Request& request, Int2Choices* choices) {
  WithGroupSize(group.size, [&]<int kSize>() { Choose<kSize>(group, request, choices); });
}

void EncodeInt2Base(const WeightGroup& group, int multiplier, Int2Codes* codes) {
  WithGroupSize(group.size, [&]<int kSize>() { EncodeBase<kSize>(group, multiplier, codes); });
}

void EncodeInt2Corrected(const WeightGroup& group, int multiplier, int k, Int2Codes* codes,
                         Int2Corrections* corrections) {
  WithGroupSize(group.size, [&]<int kSize>() { EncodeCorrected<kSize>(group, multiplier, k, codes, corrections); });
}

}  // namespace sub1quant
