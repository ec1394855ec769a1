#include "quant/eval/torch/cpu/kernels.h"

namespace sub1quant {

#define SUB1QUANT_DECLARE(name)            \
  namespace name {                         \
  extern const Kernels<float> float32;     \
  extern const Kernels<Bfloat16> bfloat16; \
  }
SUB1QUANT_DECLARE(kernels_baseline)
SUB1QUANT_DECLARE(kernels_avx2)
SUB1QUANT_DECLARE(kernels_avx512)
#undef SUB1QUANT_DECLARE

std::vector<NamedKernels> AllKernels() {
  std::vector<NamedKernels> all = {{"baseline", &kernels_baseline::float32, &kernels_baseline::bfloat16}};
  if (__builtin_cpu_supports("avx2")) all.push_back({"avx2", &kernels_avx2::float32, &kernels_avx2::bfloat16});
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl")) {
    all.push_back({"avx512", &kernels_avx512::float32, &kernels_avx512::bfloat16});
  }
  return all;
}

template <>
const Kernels<float>& BestKernels() {
  static const Kernels<float>& best = *AllKernels().back().float32;
  return best;
}
template <>
const Kernels<Bfloat16>& BestKernels() {
  static const Kernels<Bfloat16>& best = *AllKernels().back().bfloat16;
  return best;
}

}  // namespace sub1quant
