#include "quant/eval/torch/linear.h"

#include <ATen/core/List.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/linear.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <optional>
#include <string_view>

namespace sub1quant {
namespace {

constexpr unsigned kAmxBf16 = 1u << 22;  // leaf 7, edx

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
  if (x.scalar_type() != weight.scalar_type()) return Linear(x.to(weight.scalar_type()), weight).to(x.scalar_type());
  // at::linear takes MKL for float32, which keeps AMD processors on 256-bit vectors: 102-110 GFLOP/s on one Zen 5 core
  // where oneDNN does 225-236 (512 x 1536 x 12288). bfloat16 goes to oneDNN by itself.
  static const auto one_dnn = FindOneDnnLinear();
  if (one_dnn.has_value() && x.is_cpu() && x.scalar_type() == at::kFloat) {
    return one_dnn->call(x, weight, std::nullopt, "none", Scalars(), std::nullopt);
  }
  return at::linear(x, weight);
}

bool FastBfloat16Products() {
#if defined(__x86_64__)
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0 && (edx & kAmxBf16) != 0 &&
      __builtin_cpu_supports("avx512f")) {
    return true;
  }
  return __builtin_cpu_is("amd") != 0 && __builtin_cpu_supports("avx512bf16") != 0;
#else
  return false;
#endif
}

}  // namespace sub1quant
