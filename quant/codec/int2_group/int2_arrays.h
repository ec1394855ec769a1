// The arrays that the INT2 codecs have in common: base codes, sign bits and their scales.
#pragma once

#include <string>
#include <vector>

#include "quant/codec/group_codec.h"
#include "quant/codec/int2_group/int2_group.h"

namespace sub1quant {

// `base_packed`, `base_scales`.
std::vector<ArraySpec> Int2BaseArrays(const MatrixShape& shape);
// `PREFIX_packed`, `PREFIX_scales`.
std::vector<ArraySpec> Int2ResidualArrays(const MatrixShape& shape, const std::string& prefix);

// The lanes in use. `arrays` points to a packed array and its scales, of the whole matrix.
void StoreInt2Base(const WeightTile& tile, const Int2Tile& codes, uint8_t* const* arrays);
void StoreInt2Signs(const WeightTile& tile, const Int2Tile& codes, uint8_t* const* arrays);

// q*s of a group. Any 2-bit code and a scale of either sign.
absl::Status LoadInt2Base(int group_size, int64_t at, const uint8_t* const* arrays, float* out);
// (q*s) + (sign*r) of a group; `residual_scales` is the array's name.
absl::Status LoadInt2Binary(int group_size, int64_t at, const uint8_t* const* arrays, const char* residual_scales,
                            float* out);

}  // namespace sub1quant
