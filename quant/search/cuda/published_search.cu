#include "quant/search/cuda/published_search.h"

#include "quant/codec/exact_sum.cuh"
#include "quant/codec/half_warp.cuh"
#include "quant/codec/int2_group/int2_lane.cuh"
#include "quant/codec/int4_group/int4_lane.cuh"
#include "quant/codec/launch.cuh"

namespace sub1quant {
namespace {

constexpr int kSums = 3 + kMaxSearchedCorrections;  // int4, int2_base, int2_binary_residual, corrected

// Without kInt2 the request is groupwise_int4 alone.
template <int kSize, bool kInt2>
__global__ void __launch_bounds__(kBlockThreads, kSize == 256 ? 3 : 4)
    PublishedSearchKernel(WeightBlock block, PublishedRequest request, KernelReport report) {
  __shared__ BlockSums<kSums> sums;
  sums.Clear();
  const SearchedCorrections& asked = request.corrections;
  const bool corrects = (asked.k[0] | asked.k[1] | asked.k[2]) != 0;
  const int kept = static_cast<int>(HalfLane());  // the sum of this lane, if it is one
  UInt128 units = 0;
  for (unsigned first = FirstPair(); first < (block.groups + 1) / 2; first += PairStep()) {
    LaneGroup<kSize> group;
    LoadGroup(block, 2 * first + threadIdx.x / kHalf, &group);
    const bool bad = kInt2 ? RefuseInt2(&group) : RefuseInt4(&group);  // INT2 refuses more
    float sum = 0;
    if (Usually(request.int4)) {
      const float int4 = Int4Sum(group, CodeScale(Int4ScaleBits(group.absmax)));
      sum = kept == 0 ? int4 : sum;
    }
    if constexpr (kInt2) {
      const Int2Lane<kSize> lane(group, corrects);
      Int2Best best[kMaxSearchedCorrections];
      if (Usually(corrects)) ChooseCorrected(lane, asked, best);
      float base, binary;
      BinarySums(lane, ChooseBinary(lane), &base, &binary);
      sum = kept == 1 ? base : sum;
      sum = kept == 2 ? binary : sum;
#pragma unroll
      for (int c = 0; c < kMaxSearchedCorrections; ++c)
        if (Asks(asked, c)) sum = kept == 3 + c ? best[c].cost : sum;  // the others have an infinite one
    }
    if (!Usually(!bad)) {
      if (kept == 0) ReportBadGroup(report, block, group.at);
      continue;
    }
    if (group.exists && kept < kSums) units += ExactUnits(sum);
  }
  if (kept < kSums) sums.Add(kept, units);
  sums.Report(report);
}

}  // namespace

cudaError_t LaunchPublishedSearch(const Launch& launch, const WeightBlock& block, int group_size,
                                  const PublishedRequest& request, KernelReport report) {
  return WithGroupSize(group_size, [&]<int kSize>() {
    const auto kernel = request.int2 ? PublishedSearchKernel<kSize, true> : PublishedSearchKernel<kSize, false>;
    return StartGroups(launch, block.groups, kernel, block, request, report);
  });
}

}  // namespace sub1quant
