// The codecs of the family, one class a storage layout.
#pragma once

#include <memory>
#include <string>

#include "quant/codec/codec.h"
#include "quant/codec/weight_tile.h"

namespace sub1quant {

std::unique_ptr<Codec> NewInt2BaseCodec();
std::unique_ptr<Codec> NewInt2BinaryCodec();
// 1 <= k <= 255.
std::unique_ptr<Codec> NewInt2CorrectedCodec(int k);

std::string Int2CorrectedMethod(int k);  // "int2_error_budget_k4"
// k at most the group size.
absl::Status CheckInt2Corrections(int k, int group_size);
absl::Status CheckInt2Group(const WeightTile& tile, int lane);

}  // namespace sub1quant
