// The element-wise work between the matrix products of scoring, on a GPU (docs/gemma4_text_model.md §3).
//
// T is the type in memory: float, or Bfloat16. Arithmetic is float32 without fused multiply-add; a value is rounded to
// T after each step that the model rounds. exp and tanh are CUDA's, at most two units in the last place off.
//
// A row is the work of one whole block, and every sum has one order: a row's result depends neither on the rows beside
// it nor on the number of blocks. NaN stays NaN, also through bfloat16.
//
// Every pointer is to device memory, owned by the caller, contiguous where no stride is given. Launches allocate
// nothing and wait for nothing; rows and widths are 0 or more. They return what starting the kernel returned.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "quant/codec/launch.h"
#include "quant/eval/kernel_values.h"

namespace sub1quant {

// Each row: x · (mean(x²) + eps)^(-1/2) · weight; weight may be nullptr. x and out may be the same.
template <typename T>
cudaError_t LaunchRmsNorm(const Launch& launch, const T* x, const float* weight, float eps, int64_t rows, int64_t width,
                          T* out);

// x ← (x + rms_norm(y)) · factor, rounded after the norm, the sum and the product.
template <typename T>
cudaError_t LaunchAddRmsNorm(const Launch& launch, T* x, const T* y, const float* weight, float eps, float factor,
                             int64_t rows, int64_t width);

// gate ← gelu_tanh(gate) · up, rounded after both. Rows of `up` begin `up_stride` elements apart: `width` for the MLP;
// the width of all layers together where `up` is one layer's slice of the per-layer inputs.
template <typename T>
cudaError_t LaunchGatedGelu(const Launch& launch, T* gate, const T* up, int64_t up_stride, int64_t rows, int64_t width);

// Each row is a head of a position: x[i], x[i + half] ← x[i]·cos - x[i + half]·sin, x[i + half]·cos + x[i]·sin, rounded
// after each product and the sum. Row r has position r / heads, which begins again after `positions`; cos and sin:
// [positions, half].
template <typename T>
cudaError_t LaunchRope(const Launch& launch, T* x, const T* cos, const T* sin, int64_t rows, int64_t heads,
                       int64_t positions, int64_t half);

// Before the first tile of a vocabulary. A label that no tile holds makes its loss NaN.
cudaError_t LaunchBeginLogSums(const Launch& launch, const int64_t* labels, int64_t rows, RunningLogSum* sums);

// logits: [rows, count], vocabulary entries [begin, begin + count). cap · tanh(logit / cap), every step rounded to T,
// is folded; cap: 0 for none. -infinity is a logit of no probability. Of the sum's rounding errors count / 128 + 8 add
// up.
template <typename T>
cudaError_t LaunchFoldLogits(const Launch& launch, const T* logits, int64_t rows, int64_t count, int64_t begin,
                             float cap, RunningLogSum* sums);

// -ln p of each label, once every tile was folded; losses: [rows].
cudaError_t LaunchLosses(const Launch& launch, const RunningLogSum* sums, int64_t rows, float* losses);

}  // namespace sub1quant
