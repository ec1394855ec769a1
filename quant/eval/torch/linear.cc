#include "quant/eval/torch/linear.h"

#include <ATen/core/List.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/linear.h>

#include <optional>
#include <string_view>

namespace sub1quant {
namespace {

using Scalars = c10::List<std::optional<at::Scalar>>;
using LinearPointwise = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&,
                                   std::string_view, Scalars, std::optional<std::string_view>);

// oneDNN's float32 product on plain tensors. nullopt where LibTorch is built without oneDNN.
std::optional<c10::TypedOperatorHandle<LinearPointwise>> FindOneDnnLinear() {
  const auto schema = c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""});
  if (!schema.has_value()) return std::nullopt;
  return schema->typed<LinearPointwise>();
}

}  // namespace

at::Tensor Linear(const at::Tensor& x, const at::Tensor& weight) {
  // at::linear takes MKL for float32, which keeps AMD processors on 256-bit vectors: 97-106 GFLOP/s on one Zen core
  // where oneDNN does 205-219 (512 x 1536 x 12288). bfloat16 goes to oneDNN by itself.
  static const auto one_dnn = FindOneDnnLinear();
  if (one_dnn.has_value() && x.is_cpu() && x.scalar_type() == at::kFloat) {
    return one_dnn->call(x, weight, std::nullopt, "none", Scalars(), std::nullopt);
  }
  return at::linear(x, weight);
}

}  // namespace sub1quant
