// Compiled for Avx2 only: nothing here may run before `supported` has said yes.
#include "quant/codec/implementations.h"
#include "quant/codec/int2_group/int2_tile.h"
#include "quant/codec/int2_group/int2_tile_encode.h"
#include "quant/codec/int4_group/int4_tile.h"
#include "quant/codec/simd/avx2.h"
#include "quant/codec/simd/load_tile.h"

namespace sub1quant {

extern const Implementation kAvx2Implementation = {
    .name = "avx2",
    .supported =
        [] {
          return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
        },
    .load = TileLoader<Avx2>::Load,
    .int4 = {EvaluateInt4Tile<Avx2>, EncodeInt4Tile<Avx2>},
    .int2 = {ChooseInt2Tile<Avx2>, EncodeInt2Tile<Avx2>, CorrectInt2Tile<Avx2>},
};

}  // namespace sub1quant
