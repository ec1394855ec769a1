// Matrix products, where nearly all of the time goes. Private to this folder.
#pragma once

#include <ATen/core/Tensor.h>

namespace sub1quant {

// x · weightᵀ; x: [rows, in], weight: [out, in]. Accumulates in float32, result in the type of x. A float32 `weight`
// for a bfloat16 x gives the product of the widened values, rounded once.
at::Tensor Linear(const at::Tensor& x, const at::Tensor& weight);

// Whether this processor multiplies bfloat16 matrices faster than float32 ones: AMX, or AVX512_BF16 on AMD (465 against
// 234 GFLOP/s on a Zen 5 core; an Intel core without AMX: 75 against 115). Decided by what the processor is, not by
// timing, so that all workers of a kind agree.
bool FastBfloat16Products();

}  // namespace sub1quant
