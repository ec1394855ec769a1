// The codec of int{B}: arrays `scales` (float16 [rows, G], of either sign) and `packed` (u8 [rows, G*g*B/8]): of each
// padded row the codes q + 2^(B-1) as an LSB-first stream of bits in little-endian 32-bit words. G*g*B is a multiple of
// 32, so that rows and groups start on a word.
#pragma once

#include <memory>
#include <string>

#include "quant/codec/codec.h"
#include "quant/codec/weight_tile.h"

namespace sub1quant {

std::string IntegerMethod(int bits);  // "int4"
std::unique_ptr<Codec> NewIntegerCodec(int bits);
absl::Status CheckIntegerGroup(const WeightTile& tile, int lane, int bits);

}  // namespace sub1quant
