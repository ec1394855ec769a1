// Compiled for Avx512: nothing here may run before SupportsAvx512() has said yes. All but the last line has internal
// linkage, or the linker might take code of this file for other files (codec_isolation_test).
#include "quant/codec/implementations.h"
#include "quant/codec/int2_group/int2_tile.h"
#include "quant/codec/int2_group/int2_tile_encode.h"
#include "quant/codec/int4_group/int4_tile.h"
#include "quant/codec/integer_group/integer_tile.h"
#include "quant/codec/simd/avx512.h"
#include "quant/codec/simd/load_tile.h"

namespace sub1quant {

extern const Implementation kAvx512Implementation = {
    .name = "avx512",
    .supported = SupportsAvx512,
    .load = TileLoader<Avx512>::Load,
    .int4 = {EvaluateInt4Tile<Avx512>, EncodeInt4Tile<Avx512>},
    .int2 = {ChooseInt2Tile<Avx512>, EncodeInt2Tile<Avx512>, CorrectInt2Tile<Avx512>},
    .integer = {ChooseIntegerTile<Avx512>, EncodeIntegerTile<Avx512>},
};

}  // namespace sub1quant
