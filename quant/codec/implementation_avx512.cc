// Compiled for Avx512: nothing here may run before Supported() has said yes. All but the last line has internal
// linkage, or the linker might take code of this file for other files (codec_isolation_test).
#include "quant/codec/implementations.h"
#include "quant/codec/int2_group/int2_tile.h"
#include "quant/codec/int2_group/int2_tile_encode.h"
#include "quant/codec/int4_group/int4_tile.h"
#include "quant/codec/integer_group/integer_tile.h"
#include "quant/codec/simd/avx512.h"
#include "quant/codec/simd/load_tile.h"

namespace sub1quant {
namespace {

// All that this file is compiled for: a virtual machine may hide some of it.
bool Supported() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx2") &&
         __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}

}  // namespace

extern const Implementation kAvx512Implementation = {
    .name = "avx512",
    .supported = Supported,
    .load = TileLoader<Avx512>::Load,
    .int4 = {EvaluateInt4Tile<Avx512>, EncodeInt4Tile<Avx512>},
    .int2 = {ChooseInt2Tile<Avx512>, EncodeInt2Tile<Avx512>, CorrectInt2Tile<Avx512>},
    .integer = {ChooseIntegerTile<Avx512>, EncodeIntegerTile<Avx512>},
};

}  // namespace sub1quant
