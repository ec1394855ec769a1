// Matrix products, where nearly all of the time goes. Private to this folder.
#pragma once

#include <ATen/core/Tensor.h>

namespace sub1quant {

// x · weightᵀ; x: [rows, in], weight: [out, in]. Accumulates in float32, result in the type of both.
at::Tensor Linear(const at::Tensor& x, const at::Tensor& weight);

}  // namespace sub1quant
