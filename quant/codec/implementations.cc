#include "quant/codec/implementations.h"

namespace sub1quant {
namespace {

const Implementation kScalar = {
    .name = "scalar",
    .supported = [] { return true; },
    .load = LoadTileReference,
    .int4 = {EvaluateInt4Reference, EncodeInt4Reference},
    .int2 = {ChooseInt2Reference, EncodeInt2Reference, CorrectInt2Reference},
    .integer = {ChooseIntegerReference, EncodeIntegerReference},
};

#ifdef SUB1QUANT_X86
// Clang 14's __builtin_cpu_supports does not know "f16c".
bool HasF16c() {
  unsigned eax = 1, ebx = 0, ecx = 0, edx = 0;
  asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
  return ((ecx >> 29) & 1) != 0;
}
#endif

}  // namespace

#ifdef SUB1QUANT_X86
bool SupportsAvx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && HasF16c(); }
bool SupportsAvx512() {
  return SupportsAvx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

extern const Implementation kAvx512Implementation, kAvx2Implementation;
#endif

const std::vector<const Implementation*>& Implementations() {
  static const std::vector<const Implementation*> implementations = {
#ifdef SUB1QUANT_X86
      &kAvx512Implementation, &kAvx2Implementation,
#endif
      &kScalar};
  return implementations;
}

const Implementation& BestImplementation() {
  static const Implementation& best = []() -> const Implementation& {
    for (const Implementation* implementation : Implementations())
      if (implementation->supported()) return *implementation;
    return kScalar;
  }();
  return best;
}

}  // namespace sub1quant
