// groupwise_int4 on a device (docs/formats.md §2): the bytes and sums of int4_family.cc. Its search is
// in quant/search/cuda. Group sizes 32, 64, 128, 256. Calls return as soon as the kernel is in the stream.
#pragma once

#include <cstdint>

#include "quant/codec/kernel_types.h"
#include "quant/codec/launch.h"

namespace sub1quant {

// Of a block of rows, in device memory, in the order of the codec's arrays.
struct Int4Arrays {
  uint16_t* scales = nullptr;  // [groups]
  uint8_t* packed = nullptr;   // [groups * group_size / 2]
};

// report.limbs: one sum. A group that is refused reports its number and adds nothing.
cudaError_t LaunchInt4Encode(const Launch& launch, const WeightBlock& block, int group_size, Int4Arrays out,
                             KernelReport report);
// A scale that is not finite reports its group.
cudaError_t LaunchInt4Decode(const Launch& launch, const DenseBlock& block, int group_size, Int4Arrays in,
                             KernelReport report);

}  // namespace sub1quant
