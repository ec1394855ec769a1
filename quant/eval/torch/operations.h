// The steps of the forward pass between the matrix products, with their rounding points (docs/gemma4_text_model.md
// §3.1, §3.9). Activations are contiguous tensors of the compute type. Private to this folder.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>

#include "quant/eval/score_launches.h"
#include "quant/eval/torch/rope.h"

namespace sub1quant {

// `factor` rounded to `dtype`: Hugging Face keeps the embedding scales as tensors of the weight type (√1536 → 39.25 in
// bfloat16).
double RoundedTo(double factor, at::ScalarType dtype);

// Log-sum-exp of the logits of some rows, a tile of the vocabulary at a time.
class LossRows {
 public:
  virtual ~LossRows() = default;
  // logits: [rows, count] as the product gives them, of entries [begin, begin + count). Soft-capped here, every step
  // rounded to the compute type.
  virtual void Fold(const at::Tensor& logits, int64_t begin) = 0;
  // -ln p of each row's label, float32 [rows] where the logits are, once every tile was folded.
  virtual at::Tensor Finish() = 0;
};

// Thread-safe.
class Operations {
 public:
  virtual ~Operations() = default;

  // x · factor, the product formed in float32 from the unrounded factor and rounded once. (`bf16_tensor * double` on
  // the CPU rounds the factor first.)
  virtual at::Tensor Scaled(const at::Tensor& x, double factor) const = 0;
  // x · (mean(x², last dimension) + eps)^(-1/2) · weight, all in float32, rounded once. `weight` is float32; an
  // undefined tensor stands for the weightless form.
  virtual at::Tensor RmsNorm(const at::Tensor& x, const at::Tensor& weight, double eps) const = 0;
  // (x + RmsNorm(y)) · factor; may reuse x.
  virtual at::Tensor AddRmsNorm(at::Tensor x, const at::Tensor& y, const at::Tensor& weight, double eps,
                                double factor) const = 0;
  // gelu_tanh(gate) · up; may reuse gate.
  virtual at::Tensor GatedGelu(at::Tensor gate, const at::Tensor& up) const = 0;
  // (RmsNorm(context · context_scale) + tokens · token_scale) / √2; may reuse context.
  virtual at::Tensor PerLayerInput(at::Tensor context, const at::Tensor& tokens, const at::Tensor& weight, double eps,
                                   double context_scale, double token_scale) const = 0;
  // x: [T, heads, head_dim]; may reuse it. Here and in Attention all but NewCpuOperations also take [windows, T, …].
  virtual at::Tensor Rope(at::Tensor x, const RopeTable& table) const = 0;
  // q: [T, nq, d]; k, v: [T, nkv, d]. Query head a reads key head a / (nq / nkv); scale 1; position p sees the last
  // `window` positions up to itself. Result [T, nq · d], or that of one window after another.
  virtual at::Tensor Attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, int64_t window) const = 0;
  // Logits as LossRows sees them, float32.
  virtual at::Tensor SoftCapped(const at::Tensor& logits, std::optional<double> cap) const = 0;
  // labels: int64 [rows]. cap: nullopt for none.
  virtual std::unique_ptr<LossRows> NewLossRows(const at::Tensor& labels, std::optional<double> cap) const = 0;
};

// LibTorch's operators, for any device and compute type; the oracle of the others.
std::unique_ptr<Operations> NewTorchOperations();
// The device module's kernels, for tensors of `dtype` in memory that `launches` is for, float32 or bfloat16. Work is
// put into LibTorch's current stream; a kernel that does not start throws DeviceFailure. `launches` must outlive the
// result.
std::unique_ptr<Operations> NewDeviceOperations(const ScoreLaunches& launches, at::ScalarType dtype);
// Fused loops for CPU tensors of `dtype`, float32 or bfloat16.
std::unique_ptr<Operations> NewCpuOperations(at::ScalarType dtype);

}  // namespace sub1quant
