#include <ATen/ops/cat.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <vector>

#include "quant/eval/torch/operations.h"

namespace sub1quant {
namespace {

at::Tensor SoftCap(const at::Tensor& logits, std::optional<double> cap) {
  const at::ScalarType dtype = logits.scalar_type();
  if (!cap.has_value()) return logits.to(at::kFloat);
  at::Tensor z = logits.to(at::kFloat).div(*cap).to(dtype).to(at::kFloat);
  z = z.tanh_().to(dtype).to(at::kFloat);
  return z.mul_(*cap).to(dtype).to(at::kFloat);
}

class TorchLossRows : public LossRows {
 public:
  TorchLossRows(at::Tensor labels, std::optional<double> cap)
      : labels_(std::move(labels)),
        cap_(cap),
        target_(at::zeros({labels_.size(0)}, labels_.options().dtype(at::kFloat))) {}

  void Fold(const at::Tensor& logits, int64_t begin) override {
    const int64_t count = logits.size(1);
    const at::Tensor z = SoftCap(logits, cap_);
    log_sums_.push_back(z.logsumexp(1));
    const at::Tensor column = labels_.sub(begin).clamp(0, count - 1);
    const at::Tensor inside = labels_.ge(begin).logical_and_(labels_.lt(begin + count));
    target_ = at::where(inside, z.gather(1, column.unsqueeze(1)).squeeze(1), target_);
  }
  at::Tensor Finish() override { return at::stack(log_sums_, 1).logsumexp(1).sub_(target_); }

 private:
  at::Tensor labels_;
  std::optional<double> cap_;
  at::Tensor target_;
  std::vector<at::Tensor> log_sums_;
};

class TorchOperations : public Operations {
 public:
  at::Tensor Scaled(const at::Tensor& x, double factor) const override {
    return x.to(at::kFloat).mul(factor).to(x.scalar_type());
  }

  at::Tensor RmsNorm(const at::Tensor& x, const at::Tensor& weight, double eps) const override {
    const at::Tensor wide = x.to(at::kFloat);
    const at::Tensor inverse = wide.square().mean(-1, /*keepdim=*/true).add_(eps).rsqrt_();
    at::Tensor y = wide.mul(inverse);
    if (weight.defined()) y.mul_(weight);
    return y.to(x.scalar_type());
  }

  at::Tensor AddRmsNorm(at::Tensor x, const at::Tensor& y, const at::Tensor& weight, double eps,
                        double factor) const override {
    const at::Tensor sum = x.add(RmsNorm(y, weight, eps));
    return factor == 1 ? sum : Scaled(sum, factor);
  }

  at::Tensor GatedGelu(at::Tensor gate, const at::Tensor& up) const override {
    return at::gelu_(gate, "tanh").mul_(up);
  }

  at::Tensor PerLayerInput(at::Tensor context, const at::Tensor& tokens, const at::Tensor& weight, double eps,
                           double context_scale, double token_scale) const override {
    context = RmsNorm(Scaled(context, context_scale), weight, eps);
    return Scaled(context.add_(Scaled(tokens, token_scale)), std::sqrt(0.5));
  }

  at::Tensor Rope(at::Tensor x, const RopeTable& table) const override {
    const int64_t half = x.size(-1) / 2;
    const at::Tensor low = x.narrow(-1, 0, half), high = x.narrow(-1, half, half);
    const at::Tensor cos = table.cos.unsqueeze(1), sin = table.sin.unsqueeze(1);
    // Each product is rounded to the compute type before the sum: no fused or float32 intermediate here.
    return at::cat({low.mul(cos).sub_(high.mul(sin)), high.mul(cos).add_(low.mul(sin))}, -1);
  }

  at::Tensor Attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, int64_t window) const override {
    if (q.dim() == 3) return Attention(q.unsqueeze(0), k.unsqueeze(0), v.unsqueeze(0), window);
    const int64_t length = q.size(1), heads = q.size(2);
    // [windows, T, nkv, d] → [windows, nq, T, d], a view where there is one key head.
    const auto heads_first = [heads](const at::Tensor& x) {
      return x.unsqueeze(3).expand({-1, -1, -1, heads / x.size(2), -1}).flatten(2, 3).transpose(1, 2);
    };
    std::optional<at::Tensor> mask;
    if (length > window) mask = at::ones({length, length}, q.options().dtype(at::kBool)).tril().triu(1 - window);
    const at::Tensor context =
        at::scaled_dot_product_attention(heads_first(q), heads_first(k), heads_first(v), mask, /*dropout_p=*/0.0,
                                         /*is_causal=*/!mask.has_value(), /*scale=*/1.0);
    return context.transpose(1, 2).reshape({q.size(0) * length, heads * q.size(3)});
  }

  at::Tensor SoftCapped(const at::Tensor& logits, std::optional<double> cap) const override {
    return SoftCap(logits, cap);
  }

  std::unique_ptr<LossRows> NewLossRows(const at::Tensor& labels, std::optional<double> cap) const override {
    return std::make_unique<TorchLossRows>(labels, cap);
  }
};

}  // namespace

std::unique_ptr<Operations> NewTorchOperations() { return std::make_unique<TorchOperations>(); }

}  // namespace sub1quant
