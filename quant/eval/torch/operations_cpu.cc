#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/check.h"
#include "quant/eval/torch/cpu/kernels.h"
#include "quant/eval/torch/linear.h"
#include "quant/eval/torch/operations.h"

namespace sub1quant {
namespace {

// Queries of one block see few keys in vain, and its scores stay in the last cache.
constexpr int64_t kQueryBlock = 128;

template <typename T>
T* Data(const at::Tensor& tensor) {
  SUB1QUANT_CHECK(tensor.is_contiguous() && tensor.is_cpu() && tensor.element_size() == sizeof(T));
  return static_cast<T*>(tensor.data_ptr());
}

const float* Weight(const at::Tensor& weight) { return weight.defined() ? Data<float>(weight) : nullptr; }

template <typename T>
class CpuLossRows : public LossRows {
 public:
  CpuLossRows(const at::Tensor& labels, std::optional<double> cap)
      : cap_(static_cast<float>(cap.value_or(0))), rows_(static_cast<size_t>(labels.size(0))) {
    const auto* label = Data<int64_t>(labels);
    for (RunningLogSum& row : rows_) row = {-std::numeric_limits<float>::infinity(), 0, 0, *label++};
  }
  void Fold(const at::Tensor& logits, int64_t begin) override {
    BestKernels<T>().fold_logits(Data<T>(logits), logits.size(0), logits.size(1), begin, cap_, rows_.data());
  }
  at::Tensor Finish() override {
    at::Tensor losses = at::empty({static_cast<int64_t>(rows_.size())}, at::kFloat);
    std::transform(rows_.begin(), rows_.end(), Data<float>(losses), [](const RunningLogSum& row) {
      return static_cast<float>(std::log(static_cast<double>(row.sum)) + row.max - row.target);
    });
    return losses;
  }

 private:
  float cap_;
  std::vector<RunningLogSum> rows_;
};

template <typename T>
class CpuOperations : public Operations {
 public:
  at::Tensor Scaled(const at::Tensor& x, double factor) const override {
    at::Tensor out = at::empty_like(x);
    kernels_.scale(Data<T>(x), static_cast<float>(factor), x.numel(), Data<T>(out));
    return out;
  }

  at::Tensor RmsNorm(const at::Tensor& x, const at::Tensor& weight, double eps) const override {
    at::Tensor out = at::empty_like(x);
    kernels_.rms_norm(Data<T>(x), Weight(weight), static_cast<float>(eps), Rows(x), x.size(-1), Data<T>(out));
    return out;
  }

  at::Tensor AddRmsNorm(at::Tensor x, const at::Tensor& y, const at::Tensor& weight, double eps,
                        double factor) const override {
    kernels_.add_rms_norm(Data<T>(x), Data<T>(y), Weight(weight), static_cast<float>(eps), static_cast<float>(factor),
                          Rows(x), x.size(-1));
    return x;
  }

  at::Tensor GatedGelu(at::Tensor gate, const at::Tensor& up) const override {
    kernels_.gated_gelu(Data<T>(gate), Data<T>(up), gate.numel());
    return gate;
  }

  at::Tensor PerLayerInput(at::Tensor context, const at::Tensor& tokens, const at::Tensor& weight, double eps,
                           double context_scale, double token_scale) const override {
    kernels_.per_layer_input(Data<T>(context), Data<T>(tokens), Weight(weight), static_cast<float>(eps),
                             static_cast<float>(context_scale), static_cast<float>(token_scale), Rows(context),
                             context.size(-1));
    return context;
  }

  at::Tensor Rope(at::Tensor x, const RopeTable& table) const override {
    kernels_.rope(Data<T>(x), Data<T>(table.cos), Data<T>(table.sin), x.size(0), x.size(1), x.size(2) / 2);
    return x;
  }

  at::Tensor Attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, int64_t window) const override {
    const int64_t length = q.size(0), heads = q.size(1), groups = k.size(1), dim = q.size(2);
    if (groups == 1) return AttendGroup(q, k.squeeze(1), v.squeeze(1), window).view({length, heads * dim});
    at::Tensor out = at::empty({length, groups, heads / groups, dim}, q.options());
    const at::Tensor queries = q.view({length, groups, heads / groups, dim});
    for (int64_t group = 0; group < groups; ++group) {
      out.select(1, group).copy_(AttendGroup(queries.select(1, group), k.select(1, group), v.select(1, group), window));
    }
    return out.view({length, heads * dim});
  }

  at::Tensor SoftCapped(const at::Tensor& logits, std::optional<double> cap) const override {
    at::Tensor out = at::empty(logits.sizes(), at::kFloat);
    kernels_.soft_cap(Data<T>(logits), static_cast<float>(cap.value_or(0)), logits.numel(), Data<float>(out));
    return out;
  }

  std::unique_ptr<LossRows> NewLossRows(const at::Tensor& labels, std::optional<double> cap) const override {
    return std::make_unique<CpuLossRows<T>>(labels, cap);
  }

 private:
  static int64_t Rows(const at::Tensor& x) { return x.numel() / x.size(-1); }

  // q: [T, heads, d] of the heads that share k, v: [T, d]. Two products of float32 matrices a block of queries, all
  // heads at once: scores and sums are float32 in both compute types, probabilities are rounded to the compute type.
  at::Tensor AttendGroup(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, int64_t window) const {
    const int64_t length = q.size(0), heads = q.size(1), dim = q.size(2);
    const at::Tensor queries = q.to(at::kFloat).contiguous(), keys = k.to(at::kFloat).contiguous(),
                     values = v.to(at::kFloat).contiguous();
    at::Tensor out = at::empty({length, heads, dim}, q.options());
    for (int64_t begin = 0; begin < length; begin += kQueryBlock) {
      const int64_t count = std::min(kQueryBlock, length - begin);
      const int64_t first = std::max<int64_t>(0, begin - window + 1), seen = begin + count - first;
      at::Tensor scores =
          Linear(queries.narrow(0, begin, count).view({count * heads, dim}), keys.narrow(0, first, seen));
      std::vector<float> inverse(static_cast<size_t>(count * heads));
      for (int64_t row = 0; row < count * heads; ++row) {
        const int64_t last = begin + row / heads + 1 - first;  // one past the query's own position
        inverse[row] =
            kernels_.softmax(Data<float>(scores) + row * seen, seen, std::max<int64_t>(0, last - window), last);
      }
      const at::Tensor context = Linear(scores, values.narrow(0, first, seen).t().contiguous());
      kernels_.scale_rows(Data<float>(context), inverse.data(), count * heads, dim, Data<T>(out) + begin * heads * dim);
    }
    return out;
  }

  const Kernels<T>& kernels_ = BestKernels<T>();
};

}  // namespace

std::unique_ptr<Operations> NewCpuOperations(at::ScalarType dtype) {
  if (dtype == at::kFloat) return std::make_unique<CpuOperations<float>>();
  SUB1QUANT_CHECK(dtype == at::kBFloat16);
  return std::make_unique<CpuOperations<Bfloat16>>();
}

}  // namespace sub1quant
