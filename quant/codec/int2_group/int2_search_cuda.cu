#include "quant/codec/exact_sum.cuh"
#include "quant/codec/half_warp.cuh"
#include "quant/codec/int2_group/int2_cuda.h"
#include "quant/codec/int2_group/int2_lane.cuh"
#include "quant/codec/launch.cuh"

namespace sub1quant {
namespace {

constexpr int kSums = 2 + kMaxSearchedCorrections;  // base, binary, corrected

template <int kSize>
__global__ void __launch_bounds__(kBlockThreads, kSize == 256 ? 3 : 4)
    Int2SearchKernel(WeightBlock block, SearchedCorrections request, KernelReport report) {
  __shared__ BlockSums<kSums> sums;
  sums.Clear();
  const bool corrects = (request.k[0] | request.k[1] | request.k[2]) != 0;
  const int kept = static_cast<int>(HalfLane());  // the sum of this lane, if it is one
  UInt128 units = 0;
  for (unsigned first = FirstPair(); first < (block.groups + 1) / 2; first += PairStep()) {
    LaneGroup<kSize> group;
    LoadGroup(block, 2 * first + threadIdx.x / kHalf, &group);
    const bool bad = RefuseInt2(&group);
    const Int2Lane<kSize> lane(group, corrects);
    Int2Best best[kMaxSearchedCorrections];
    if (Usually(corrects)) ChooseCorrected(lane, request, best);
    float base, binary;
    BinarySums(lane, ChooseBinary(lane), &base, &binary);
    if (!Usually(!bad)) {
      if (kept == 0) ReportBadGroup(report, block, group.at);
      continue;
    }
    if (!group.exists || kept >= kSums) continue;
    float sum = kept == 0 ? base : binary;
#pragma unroll
    for (int c = 0; c < kMaxSearchedCorrections; ++c)
      if (Asks(request, c)) sum = kept == 2 + c ? best[c].cost : sum;  // the others have an infinite one
    units += ExactUnits(sum);
  }
  if (kept < kSums) sums.Add(kept, units);
  sums.Report(report);
}

}  // namespace

cudaError_t LaunchInt2Search(const Launch& launch, const WeightBlock& block, int group_size,
                             const SearchedCorrections& request, KernelReport report) {
  return WithGroupSize(group_size, [&]<int kSize>() {
    return StartGroups(launch, block.groups, Int2SearchKernel<kSize>, block, request, report);
  });
}

}  // namespace sub1quant
