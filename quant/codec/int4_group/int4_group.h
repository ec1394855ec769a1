// One group of groupwise_int4: shared by the codec and the search.
#pragma once

#include <cstdint>

#include "quant/codec/weight_group.h"

namespace sub1quant {

// fp16(absmax/7) as bits, 1 in a zero group; kFp16Infinity where the method must refuse.
uint16_t Int4Scale(const WeightGroup& group);
// Codes q + 8, one a byte, `group.size` of them, where `codes` is not null. Returns S of docs/formats.md §7.
float EncodeInt4Group(const WeightGroup& group, uint16_t scale, uint8_t* codes);

}  // namespace sub1quant
