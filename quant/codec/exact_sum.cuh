// Exact sums in kernels (docs/formats.md §7): 128-bit integers in a lane's registers, added up per block in shared
// memory and then in the report. Integer addition: the order of blocks and lanes does not matter.
#pragma once

#include <cuda_runtime.h>

#include "quant/codec/half_warp.cuh"

namespace sub1quant {

using UInt128 = unsigned __int128;

// A block's sums of kSums formats. All threads of the block call Clear before the first Add and Report after the last.
// An Add puts less than 2^32 into a limb; a launch makes fewer than 2^32 of them, so 64 bits do not overflow.
template <int kSums>
struct BlockSums {
  unsigned long long limbs[kSums][kLimbs];

  __device__ void Clear() {
    for (unsigned i = threadIdx.x; i < kSums * kLimbs; i += blockDim.x) limbs[i / kLimbs][i % kLimbs] = 0;
    __syncthreads();
  }
  __device__ void Add(int sum, UInt128 units) {
    for (int limb = 0; limb < kLimbs; ++limb)
      atomicAdd(&limbs[sum][limb], static_cast<unsigned long long>(static_cast<uint32_t>(units >> (32 * limb))));
  }
  __device__ void Report(const KernelReport& report) {
    __syncthreads();
    for (unsigned i = threadIdx.x; i < kSums * kLimbs; i += blockDim.x)
      atomicAdd(&report.limbs[i], limbs[i / kLimbs][i % kLimbs]);
  }
};

__device__ inline void ReportBadGroup(const KernelReport& report, const WeightBlock& block, unsigned at) {
  atomicMin(report.first_bad, static_cast<unsigned long long>(block.first_group + at));
}

}  // namespace sub1quant
