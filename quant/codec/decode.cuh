// Packed arrays to dense rows. A thread makes eight neighbours of one group; a format says how.
#pragma once

#include <cuda_runtime.h>

#include "quant/codec/arithmetic.h"
#include "quant/codec/kernel_types.h"
#include "quant/codec/launch.cuh"

namespace sub1quant {

constexpr int kDecodedAtOnce = 8;

__device__ inline bool IsFiniteScale(uint16_t bits) { return (bits & 0x7c00u) != 0x7c00u; }

// `count` values, 1 to 8, at row-major place `index`.
__device__ inline void StoreDense(const DenseBlock& block, size_t index, const float* values, unsigned count) {
  if (block.type == WeightType::kBF16) {
    auto* to = static_cast<uint16_t*>(block.data) + index;
    if (count == kDecodedAtOnce && index % kDecodedAtOnce == 0) {
      uint32_t words[4];
#pragma unroll
      for (int i = 0; i < 4; ++i)
        words[i] = Bf16Bits(values[2 * i]) | static_cast<uint32_t>(Bf16Bits(values[2 * i + 1])) << 16;
      *reinterpret_cast<uint4*>(to) = uint4{words[0], words[1], words[2], words[3]};
      return;
    }
#pragma unroll
    for (unsigned i = 0; i < kDecodedAtOnce; ++i)
      if (i < count) to[i] = Bf16Bits(values[i]);
    return;
  }
  auto* to = static_cast<float*>(block.data) + index;
  if (count == kDecodedAtOnce && index % 4 == 0) {
    *reinterpret_cast<float4*>(to) = float4{values[0], values[1], values[2], values[3]};
    *reinterpret_cast<float4*>(to + 4) = float4{values[4], values[5], values[6], values[7]};
    return;
  }
  // All places by constants: an index into registers would put the values into memory.
#pragma unroll
  for (unsigned i = 0; i < kDecodedAtOnce; ++i)
    if (i < count) to[i] = values[i];
}

// Source::Decode<kSize>(at, first, out): positions first to first + 7 of group `at` of the block; false for arrays that
// cannot be decoded. It reads nothing outside the arrays whatever they hold.
template <int kSize, typename Source>
__global__ void __launch_bounds__(kBlockThreads) DecodeKernel(DenseBlock block, Source source, KernelReport report) {
  constexpr unsigned kPieces = kSize / kDecodedAtOnce;  // of a group
  const unsigned pieces = block.rows * block.groups_per_row * kPieces;
  for (unsigned piece = blockIdx.x * blockDim.x + threadIdx.x; piece < pieces; piece += gridDim.x * blockDim.x) {
    const unsigned at = piece / kPieces, first = piece % kPieces * kDecodedAtOnce;
    const unsigned row = at / block.groups_per_row;
    const unsigned col = (at - row * block.groups_per_row) * kSize + first;
    float values[kDecodedAtOnce];
    if (!source.template Decode<kSize>(at, first, values))
      atomicMin(report.first_bad, static_cast<unsigned long long>(block.first_group + at));
    if (col >= block.cols) continue;
    const unsigned left = block.cols - col;
    StoreDense(block, static_cast<size_t>(row) * block.cols + col, values,
               left < kDecodedAtOnce ? left : kDecodedAtOnce);
  }
}

template <typename Source>
cudaError_t StartDecode(const Launch& launch, const DenseBlock& block, int group_size, const Source& source,
                        KernelReport report) {
  return WithGroupSize(group_size, [&]<int kSize>() {
    const uint64_t groups = uint64_t{block.rows} * block.groups_per_row;
    return StartKernel(launch, groups, kBlockThreads * kDecodedAtOnce / kSize, DecodeKernel<kSize, Source>, block,
                       source, report);
  });
}

}  // namespace sub1quant
