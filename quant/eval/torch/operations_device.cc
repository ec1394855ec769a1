// What lies between the products in the device module's kernels; attention and scalings in LibTorch's.
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <cmath>

#include "core/check.h"
#include "quant/eval/kernel_values.h"
#include "quant/eval/torch/guard.h"
#include "quant/eval/torch/operations.h"
#include "quant/eval/torch/torch_device.h"

namespace sub1quant {
namespace {

void CheckStarted(const char* error, const char* kernel) {
  if (error != nullptr) throw DeviceFailure(kernel, error);
}

int64_t Rows(const at::Tensor& x) { return x.numel() / x.size(-1); }

const float* Weight(const at::Tensor& weight) {
  if (!weight.defined()) return nullptr;
  SUB1QUANT_CHECK(weight.is_contiguous() && weight.scalar_type() == at::kFloat);
  return static_cast<const float*>(weight.const_data_ptr());
}

class DeviceLossRows : public LossRows {
 public:
  DeviceLossRows(const ScoreLaunches& launches, ScoreType type, const at::Tensor& labels, std::optional<double> cap)
      : launches_(launches),
        type_(type),
        cap_(static_cast<float>(cap.value_or(0))),
        rows_(labels.size(0)),
        sums_(at::empty({rows_ * static_cast<int64_t>(sizeof(RunningLogSum))}, labels.options().dtype(at::kByte))) {
    SUB1QUANT_CHECK(labels.is_contiguous() && labels.scalar_type() == at::kLong);
    CheckStarted(launches_.BeginLogSums(static_cast<const int64_t*>(labels.const_data_ptr()), rows_, Sums(),
                                        CurrentStream(labels.device())),
                 "log sums");
  }

  void Fold(const at::Tensor& logits, int64_t begin) override {
    SUB1QUANT_CHECK(logits.is_contiguous() && logits.size(0) == rows_);
    CheckStarted(launches_.FoldLogits(type_, logits.const_data_ptr(), rows_, logits.size(1), begin, cap_, Sums(),
                                      CurrentStream(logits.device())),
                 "fold logits");
  }

  at::Tensor Finish() override {
    const at::Tensor losses = at::empty({rows_}, sums_.options().dtype(at::kFloat));
    CheckStarted(
        launches_.Losses(Sums(), rows_, static_cast<float*>(losses.data_ptr()), CurrentStream(losses.device())),
        "losses");
    return losses;
  }

 private:
  RunningLogSum* Sums() const { return static_cast<RunningLogSum*>(sums_.data_ptr()); }

  const ScoreLaunches& launches_;
  const ScoreType type_;
  const float cap_;
  const int64_t rows_;
  at::Tensor sums_;
};

class DeviceOperations : public Operations {
 public:
  DeviceOperations(const ScoreLaunches& launches, at::ScalarType dtype)
      : launches_(launches),
        dtype_(dtype),
        type_(dtype == at::kFloat ? ScoreType::kFloat32 : ScoreType::kBfloat16),
        torch_(NewTorchOperations()) {
    SUB1QUANT_CHECK(dtype == at::kFloat || dtype == at::kBFloat16);
  }

  at::Tensor Scaled(const at::Tensor& x, double factor) const override { return torch_->Scaled(x, factor); }

  at::Tensor RmsNorm(const at::Tensor& x, const at::Tensor& weight, double eps) const override {
    const at::Tensor out = at::empty_like(x);
    CheckStarted(launches_.RmsNorm(type_, Input(x), Weight(weight), static_cast<float>(eps), Rows(x), x.size(-1),
                                   Output(out), CurrentStream(x.device())),
                 "norm");
    return out;
  }

  at::Tensor AddRmsNorm(at::Tensor x, const at::Tensor& y, const at::Tensor& weight, double eps,
                        double factor) const override {
    SUB1QUANT_CHECK(x.sizes() == y.sizes());
    CheckStarted(launches_.AddRmsNorm(type_, Output(x), Input(y), Weight(weight), static_cast<float>(eps),
                                      static_cast<float>(factor), Rows(x), x.size(-1), CurrentStream(x.device())),
                 "added norm");
    return x;
  }

  // `up` may be some columns of a wider matrix.
  at::Tensor GatedGelu(at::Tensor gate, const at::Tensor& up) const override {
    SUB1QUANT_CHECK(up.scalar_type() == dtype_ && up.dim() == 2 && up.sizes() == gate.sizes() && up.stride(1) == 1);
    CheckStarted(launches_.GatedGelu(type_, Output(gate), up.const_data_ptr(), up.stride(0), gate.size(0), gate.size(1),
                                     CurrentStream(gate.device())),
                 "gated gelu");
    return gate;
  }

  // The sum of two values does not depend on which is the residual.
  at::Tensor PerLayerInput(at::Tensor context, const at::Tensor& tokens, const at::Tensor& weight, double eps,
                           double context_scale, double token_scale) const override {
    return AddRmsNorm(Scaled(tokens, token_scale), Scaled(context, context_scale), weight, eps, std::sqrt(0.5));
  }

  at::Tensor Rope(at::Tensor x, const RopeTable& table) const override {
    const int64_t positions = x.size(-3), half = x.size(-1) / 2;
    SUB1QUANT_CHECK(table.cos.size(0) == positions && table.cos.size(1) == half);
    CheckStarted(launches_.Rope(type_, Output(x), Input(table.cos), Input(table.sin), Rows(x), x.size(-2), positions,
                                half, CurrentStream(x.device())),
                 "rope");
    return x;
  }

  at::Tensor Attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, int64_t window) const override {
    return torch_->Attention(q, k, v, window);
  }

  at::Tensor SoftCapped(const at::Tensor& logits, std::optional<double> cap) const override {
    return torch_->SoftCapped(logits, cap);
  }

  std::unique_ptr<LossRows> NewLossRows(const at::Tensor& labels, std::optional<double> cap) const override {
    return std::make_unique<DeviceLossRows>(launches_, type_, labels, cap);
  }

 private:
  const void* Input(const at::Tensor& x) const {
    SUB1QUANT_CHECK(x.is_contiguous() && x.scalar_type() == dtype_);
    return x.const_data_ptr();
  }
  void* Output(const at::Tensor& x) const {
    SUB1QUANT_CHECK(x.is_contiguous() && x.scalar_type() == dtype_);
    return x.data_ptr();
  }

  const ScoreLaunches& launches_;
  const at::ScalarType dtype_;
  const ScoreType type_;
  const std::unique_ptr<const Operations> torch_;
};

}  // namespace

std::unique_ptr<Operations> NewDeviceOperations(const ScoreLaunches& launches, at::ScalarType dtype) {
  return std::make_unique<DeviceOperations>(launches, dtype);
}

}  // namespace sub1quant
