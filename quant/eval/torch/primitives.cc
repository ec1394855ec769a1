#include "quant/eval/torch/primitives.h"

#include <ATen/ops/full.h>

namespace sub1quant {

at::Tensor Scaled(const at::Tensor& x, double factor) { return x.to(at::kFloat).mul(factor).to(x.scalar_type()); }

double RoundedTo(double factor, at::ScalarType dtype) {
  return at::full({}, factor, at::kFloat).to(dtype).item().toDouble();
}

at::Tensor RmsNorm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  const at::Tensor wide = x.to(at::kFloat);
  const at::Tensor inverse = wide.square().mean(-1, /*keepdim=*/true).add_(eps).rsqrt_();
  at::Tensor y = wide.mul(inverse);
  if (weight.defined()) y.mul_(weight);
  return y.to(x.scalar_type());
}

}  // namespace sub1quant
