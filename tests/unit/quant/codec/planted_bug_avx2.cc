// The int4 kernel on vectors that multiply by a reciprocal where it divides. Compiled for AVX2.
#include "quant/codec/int4_group/int4_tile.h"
#include "quant/codec/simd/avx2.h"
#include "tests/unit/quant/codec/planted_bug.h"

namespace sub1quant {
namespace {

struct Reciprocal : Avx2 {
  static Float Div(Float a, Float b) { return Mul(a, Avx2::Div(Set(1.0f), b)); }
};

}  // namespace

const Int4Kernels kReciprocalInt4 = {EvaluateInt4Tile<Reciprocal>, EncodeInt4Tile<Reciprocal>};

}  // namespace sub1quant
