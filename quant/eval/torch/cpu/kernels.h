// The element-wise work between the matrix products, as loops over contiguous rows. Private to quant/eval/torch.
//
// Every kernel is compiled for several instruction sets from one source (kernels_body.h): sixteen lanes at a time on
// all of them, sums in a fixed order, no fused multiply-add, so all give the same bits. LibTorch's operators
// (operations_torch.cc) are the oracle.
//
// T is the type in memory: float, or Bfloat16. Arithmetic is float32; a value is rounded to T where
// docs/gemma4_text_model.md §3.9 says so, once where it does not.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "quant/eval/kernel_values.h"

namespace sub1quant {

template <typename T>
struct Kernels {
  // out[i] = x[i] · factor
  void (*scale)(const T* x, float factor, int64_t count, T* out);
  // Each row: x · (mean(x²) + eps)^(-1/2) · weight; weight may be nullptr. x and out may be the same.
  void (*rms_norm)(const T* x, const float* weight, float eps, int64_t rows, int64_t width, T* out);
  // x ← (x + rms_norm(y)) · factor, rounded after the norm, the sum and the product.
  void (*add_rms_norm)(T* x, const T* y, const float* weight, float eps, float factor, int64_t rows, int64_t width);
  // gate ← gelu_tanh(gate) · up
  void (*gated_gelu)(T* gate, const T* up, int64_t count);
  // context ← (rms_norm(context · context_scale) + tokens · token_scale) / √2: the per-layer inputs of one layer.
  void (*per_layer_input)(T* context, const T* tokens, const float* weight, float eps, float context_scale,
                          float token_scale, int64_t rows, int64_t width);
  // x: [positions, heads, 2 · half]; cos, sin: [positions, half]. Pairs are half a head apart.
  void (*rope)(T* x, const T* cos, const T* sin, int64_t positions, int64_t heads, int64_t half);
  // One row of scores. Those in [first, last) become exp(score - max) rounded to T, all others zero; returns 1 / Σ of
  // the unrounded ones.
  float (*softmax)(float* scores, int64_t count, int64_t first, int64_t last);
  // out[row, i] = x[row, i] · factors[row]
  void (*scale_rows)(const float* x, const float* factors, int64_t rows, int64_t width, T* out);
  // out[i] = cap · tanh(logits[i] / cap), every step rounded to T; cap: 0 for none.
  void (*soft_cap)(const T* logits, float cap, int64_t count, float* out);
  // The same, folded. logits: [rows, count], vocabulary entries [begin, begin + count).
  void (*fold_logits)(const T* logits, int64_t rows, int64_t count, int64_t begin, float cap, RunningLogSum* sums);
};

// Of this processor.
template <typename T>
const Kernels<T>& BestKernels();

// All that this processor can run, for tests; the last one is the best.
struct NamedKernels {
  std::string name;
  const Kernels<float>* float32;
  const Kernels<Bfloat16>* bfloat16;
};
std::vector<NamedKernels> AllKernels();

}  // namespace sub1quant
