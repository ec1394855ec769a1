// The small operations of the forward pass with their rounding points (docs/gemma4_text_model.md §3.1, §3.9).
// Private to this folder.
#pragma once

#include <ATen/core/Tensor.h>

namespace sub1quant {

// x * factor with the product formed in float32 from the unrounded factor and rounded once. (`bf16_tensor * double` on
// the CPU rounds the factor first.)
at::Tensor Scaled(const at::Tensor& x, double factor);

// `factor` rounded to `dtype`: Hugging Face keeps the embedding scales as tensors of the weight type (√1536 → 39.25 in
// bfloat16).
double RoundedTo(double factor, at::ScalarType dtype);

// x · (mean(x², last dimension) + eps)^(-1/2) · weight, all in float32, rounded once to x's type. `weight` is float32;
// an undefined tensor stands for the weightless form.
at::Tensor RmsNorm(const at::Tensor& x, const at::Tensor& weight, double eps);

}  // namespace sub1quant
