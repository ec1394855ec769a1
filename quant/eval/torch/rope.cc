#include "quant/eval/torch/rope.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/outer.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/zeros.h>

#include <cmath>

namespace sub1quant {
namespace {

// 1 / θ^(2j/d) for j < pairs, in float32 as the reference computes it: the denominator is the whole head.
at::Tensor RotatedFrequencies(double theta, int64_t pairs, int64_t head_dim) {
  const at::Tensor exponent = at::arange(0, 2 * pairs, 2, at::kFloat).div_(static_cast<double>(head_dim));
  return at::pow(theta, exponent).reciprocal_();
}

}  // namespace

at::Tensor RopeFrequencies(const Gemma4Config& config, bool full_attention) {
  if (!full_attention) return RotatedFrequencies(config.sliding_rope_theta, config.head_dim / 2, config.head_dim);
  const int64_t dim = config.global_head_dim;
  if (!config.full_rope_proportional) return RotatedFrequencies(config.full_rope_theta, dim / 2, dim);
  const auto pairs = static_cast<int64_t>(std::floor(config.full_partial_rotary_factor * static_cast<double>(dim) / 2));
  const at::Tensor rotated = RotatedFrequencies(config.full_rope_theta, pairs, dim);
  return at::cat({rotated, at::zeros({dim / 2 - pairs}, at::kFloat)}).div_(config.full_rope_factor);
}

RopeTable MakeRopeTable(const at::Tensor& frequencies, int64_t positions, const at::TensorOptions& options) {
  const at::Tensor angles = at::outer(at::arange(positions, at::kFloat), frequencies);
  return {angles.cos().to(options), angles.sin().to(options)};
}

}  // namespace sub1quant
