// Compiled for Avx2: nothing here may run before SupportsAvx2() has said yes. All but the last line has internal
// linkage, or the linker might take code of this file for other files (codec_isolation_test).
#include "quant/codec/implementations.h"
#include "quant/codec/int2_group/int2_tile.h"
#include "quant/codec/int2_group/int2_tile_encode.h"
#include "quant/codec/int4_group/int4_tile.h"
#include "quant/codec/integer_group/integer_tile.h"
#include "quant/codec/simd/avx2.h"
#include "quant/codec/simd/load_tile.h"

namespace sub1quant {

extern const Implementation kAvx2Implementation = {
    .name = "avx2",
    .supported = SupportsAvx2,
    .load = TileLoader<Avx2>::Load,
    .int4 = {EvaluateInt4Tile<Avx2>, EncodeInt4Tile<Avx2>},
    .int2 = {ChooseInt2Tile<Avx2>, EncodeInt2Tile<Avx2>, CorrectInt2Tile<Avx2>},
    .integer = {ChooseIntegerTile<Avx2>, EncodeIntegerTile<Avx2>},
};

}  // namespace sub1quant
