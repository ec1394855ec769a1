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

}  // namespace

#ifdef SUB1QUANT_X86
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
