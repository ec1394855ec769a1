// How the kernels of the codecs are started: enough blocks for the groups, at most those that fit the device; each warp
// takes two groups at a time until there are none left. No allocation and no waiting here.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <utility>

#include "quant/codec/launch.h"

namespace sub1quant {

constexpr unsigned kBlockThreads = 128;

// Of `work` items at `per_block` a block.
template <typename... Parameters, typename... Arguments>
cudaError_t StartKernel(const Launch& launch, uint64_t work, unsigned per_block, void (*kernel)(Parameters...),
                        Arguments&&... arguments) {
  if (work == 0) return cudaSuccess;
  cudaLaunchConfig_t config{};
  config.gridDim =
      dim3(static_cast<unsigned>(std::min<uint64_t>((work + per_block - 1) / per_block, launch.max_blocks)));
  config.blockDim = dim3(kBlockThreads);
  config.stream = launch.stream;
  return cudaLaunchKernelEx(&config, kernel, std::forward<Arguments>(arguments)...);
}

// Two groups a warp.
template <typename... Parameters, typename... Arguments>
cudaError_t StartGroups(const Launch& launch, uint64_t groups, void (*kernel)(Parameters...),
                        Arguments&&... arguments) {
  return StartKernel(launch, groups, kBlockThreads / 16, kernel, std::forward<Arguments>(arguments)...);
}

// For a kernel's loop over pairs of groups: the first pair of this block, which has one for each of its warps, and the
// distance to its next ones. All warps make the same steps, so that the compiler knows that lanes stay together; the
// pairs of the last warps may lie behind the last group.
__device__ inline unsigned FirstPair() { return blockIdx.x * (blockDim.x / 32); }
__device__ inline unsigned PairStep() { return gridDim.x * (blockDim.x / 32); }

}  // namespace sub1quant
