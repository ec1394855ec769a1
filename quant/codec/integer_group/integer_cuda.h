// The integer family int{B} on a device (docs/formats.md §9): the bytes and sums of integer_codec.cc without
// importance. B in 2, 3, 4, 5, 6, 8; group sizes 32, 64, 128, 256. Calls return as soon as the kernel is in the stream.
#pragma once

#include <cstdint>

#include "quant/codec/kernel_types.h"
#include "quant/codec/launch.h"

namespace sub1quant {

// Of a block of rows, in device memory, in the order of the codec's arrays.
struct IntegerArrays {
  uint16_t* scales = nullptr;  // [groups]
  uint8_t* packed = nullptr;   // [groups * group_size * bits / 8]
};

// report.limbs: one sum. A group that is refused reports its number and adds nothing.
cudaError_t LaunchIntegerSearch(const Launch& launch, const WeightBlock& block, int group_size, int bits,
                                KernelReport report);
cudaError_t LaunchIntegerEncode(const Launch& launch, const WeightBlock& block, int group_size, int bits,
                                IntegerArrays out, KernelReport report);
// A scale that is not finite reports its group.
cudaError_t LaunchIntegerDecode(const Launch& launch, const DenseBlock& block, int group_size, int bits,
                                IntegerArrays in, KernelReport report);

}  // namespace sub1quant
