#include "quant/codec/exact_sum.cuh"
#include "quant/codec/half_warp.cuh"
#include "quant/codec/int2_group/int2_cuda.h"
#include "quant/codec/int2_group/int2_lane.cuh"
#include "quant/codec/launch.cuh"

namespace sub1quant {
namespace {

constexpr int kSums = 2 + kMaxSearchedCorrections;  // base, binary, corrected

// Which sum a lane of the half keeps: lane 0 binary, lane 8 base, lanes 2, 4, 6 the corrected ones; -1 for the others.
__device__ int KeptSum() {
  const int lane = static_cast<int>(HalfLane());
  if (lane == 8) return 0;
  return lane % 2 == 0 && lane < 8 ? lane / 2 + 1 : -1;
}

template <int kSize>
__global__ void __launch_bounds__(kBlockThreads, kSize == 256 ? 3 : 4)
    Int2SearchKernel(WeightBlock block, SearchedCorrections request, KernelReport report) {
  __shared__ BlockSums<kSums> sums;
  sums.Clear();
  const int kept = KeptSum();
  UInt128 units = 0;
  for (unsigned pair = FirstPair(); pair < (block.groups + 1) / 2; pair += PairStep()) {
    LaneGroup<kSize> group;
    LoadGroup(block, 2 * pair + Lane() / kHalf, &group);
    const bool bad = RefuseInt2(&group);
    const Int2Lane<kSize> lane(group);
    const Int2Best best = ChooseMultipliers(lane, request);
    float base, binary;
    BinarySums(lane, FromHalfLane(best.multiplier, LaneOfItem(0)), &base, &binary);
    if (bad && HalfLane() == 0) ReportBadGroup(report, block, group.at);
    if (bad || !group.exists || kept < 0) continue;
    units += ExactUnits(kept == 0 ? base : kept == 1 ? binary : best.cost);
  }
  if (kept >= 0) sums.Add(kept, units);
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
