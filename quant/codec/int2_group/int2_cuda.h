// The INT2 formats on a device (docs/formats.md §3 and §4): the bytes and sums of int2_family.cc, for at most eight
// corrections a group; their search is in quant/search/cuda. Group sizes 32, 64, 128, 256. Calls return as soon as the
// kernel is in the stream.
#pragma once

#include <cstdint>

#include "quant/codec/kernel_types.h"
#include "quant/codec/launch.h"

namespace sub1quant {

// Of a block of rows, in device memory, in the order of the codecs' arrays. `signs` and `residual_scales` are null in
// int2_base; the others are there only with corrections.
struct Int2Arrays {
  uint8_t* base = nullptr;                // [groups * group_size / 4]
  uint16_t* base_scales = nullptr;        // [groups]
  uint8_t* signs = nullptr;               // [groups * group_size / 8]
  uint16_t* residual_scales = nullptr;    // [groups]
  uint8_t* indices = nullptr;             // [groups * k]
  uint8_t* counts = nullptr;              // [groups]
  uint8_t* corrections = nullptr;         // [groups * k / 2, rounded up]
  uint16_t* correction_scales = nullptr;  // [groups]
};

// int2_base and int2_binary_residual; report.limbs: the sums of both. A group that is refused reports its number and
// adds nothing.
cudaError_t LaunchInt2BinaryEncode(const Launch& launch, const WeightBlock& block, int group_size, Int2Arrays out,
                                   KernelReport report);
// int2_error_budget_k{k}, 1 <= k <= 8; report.limbs: its sum.
cudaError_t LaunchInt2CorrectedEncode(const Launch& launch, const WeightBlock& block, int group_size, int k,
                                      Int2Arrays out, KernelReport report);
// k 0: int2_base without signs, else int2_binary_residual. A scale that is not finite, an index outside the group and a
// count above k report their group.
cudaError_t LaunchInt2Decode(const Launch& launch, const DenseBlock& block, int group_size, int k, Int2Arrays in,
                             KernelReport report);

}  // namespace sub1quant
