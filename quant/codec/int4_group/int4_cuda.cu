#include "quant/codec/int4_group/int4_cuda.h"

#include "quant/codec/arithmetic.h"
#include "quant/codec/decode.cuh"
#include "quant/codec/exact_sum.cuh"
#include "quant/codec/half_warp.cuh"
#include "quant/codec/int4_group/int4_lane.cuh"
#include "quant/codec/launch.cuh"

namespace sub1quant {
namespace {

// A lane holds pairs of neighbours: one byte each.
template <int kSize>
__device__ void StoreInt4(const LaneGroup<kSize>& group, const CodeScale& scale, const Int4Arrays& out) {
  uint8_t* packed = out.packed + static_cast<size_t>(group.at) * (kSize / 2);
#pragma unroll
  for (int i = 0; i < group.kValues; i += 2) {
    const int low = static_cast<int>(scale.Code(group.weights[i])) + 8;
    const int high = static_cast<int>(scale.Code(group.weights[i + 1])) + 8;
    packed[PositionOf(i) / 2] = static_cast<uint8_t>(low | (high << 4));
  }
  if (HalfLane() == 0) out.scales[group.at] = scale.bits;
}

template <int kSize>
__global__ void __launch_bounds__(kBlockThreads)
    Int4EncodeKernel(WeightBlock block, Int4Arrays out, KernelReport report) {
  __shared__ BlockSums<1> sums;
  sums.Clear();
  UInt128 units = 0;
  for (unsigned first = FirstPair(); first < (block.groups + 1) / 2; first += PairStep()) {
    LaneGroup<kSize> group;
    LoadGroup(block, 2 * first + threadIdx.x / kHalf, &group);
    const bool bad = RefuseInt4(&group);
    const CodeScale scale(Int4ScaleBits(group.absmax));
    const float sum = Int4Sum(group, scale);
    if (!Usually(!bad)) {
      if (HalfLane() == 0) ReportBadGroup(report, block, group.at);
      continue;
    }
    if (!group.exists) continue;
    StoreInt4(group, scale, out);
    if (HalfLane() == 0) units += ExactUnits(sum);
  }
  if (HalfLane() == 0) sums.Add(0, units);
  sums.Report(report);
}

// Every nibble is a code, also 0 (-8), and a scale may be negative: other encoders write both.
struct Int4Source {
  Int4Arrays in;

  template <int kSize>
  __device__ bool Decode(unsigned at, unsigned first, float* out) const {
    const float scale = Fp16Value(in.scales[at]);
    const size_t byte = (static_cast<size_t>(at) * kSize + first) / 2;
    const uint32_t codes = *reinterpret_cast<const uint32_t*>(in.packed + byte);
#pragma unroll
    for (int i = 0; i < kDecodedAtOnce; ++i)
      out[i] = static_cast<float>(static_cast<int>((codes >> (4 * i)) & 15) - 8) * scale;
    return IsFiniteScale(in.scales[at]);
  }
};

}  // namespace

cudaError_t LaunchInt4Encode(const Launch& launch, const WeightBlock& block, int group_size, Int4Arrays out,
                             KernelReport report) {
  return WithGroupSize(group_size, [&]<int kSize>() {
    return StartGroups(launch, block.groups, Int4EncodeKernel<kSize>, block, out, report);
  });
}

cudaError_t LaunchInt4Decode(const Launch& launch, const DenseBlock& block, int group_size, Int4Arrays in,
                             KernelReport report) {
  return StartDecode(launch, block, group_size, Int4Source{in}, report);
}

}  // namespace sub1quant
