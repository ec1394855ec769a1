#include "quant/codec/exact_sum.cuh"
#include "quant/codec/half_warp.cuh"
#include "quant/codec/int2_group/int2_cuda.h"
#include "quant/codec/int2_group/int2_lane.cuh"
#include "quant/codec/launch.cuh"

namespace sub1quant {
namespace {

// Codes of one group at its kept multiplier.
template <int kSize>
struct Int2LaneCodes {
  static constexpr int kValues = LaneLayout<kSize>::kValues;
  float s, r;
  int q[kValues];  // -1, 0, 1
  bool positive[kValues];
  float t[kValues];  // 0 in the padding

  // A zero group is encoded as if its weights were 0 and absmax 1, at the first multiplier.
  __device__ Int2LaneCodes(const LaneGroup<kSize>& group, const Int2Lane<kSize>& lane, int multiplier)
      : s(lane.BaseScale(multiplier)), r(lane.ResidualScale(multiplier)) {
    if (lane.zero) s = Fp16Value(Fp16Bits(Int2Multiplier(0)));
#pragma unroll
    for (int i = 0; i < kValues; ++i) {
      const float w = lane.zero ? 0.0f : group.weights[i];
      q[i] = Int2IsOne(Magnitude(w), s) ? (w < 0.0f ? -1 : 1) : 0;
      const float e = w - static_cast<float>(q[i]) * s;
      positive[i] = e >= 0.0f;
      t[i] = e - (positive[i] ? r : -r);
    }
    lane.ClearPadding(t);
  }

  // Two bits a code, four a byte: two lanes share one.
  __device__ void StoreBase(unsigned at, bool write, const Int2Arrays& out) const {
    uint8_t* base = out.base + static_cast<size_t>(at) * (kSize / 4);
#pragma unroll
    for (int i = 0; i < kValues; i += 2) {
      const unsigned own = static_cast<unsigned>(q[i] + 1) | static_cast<unsigned>(q[i + 1] + 1) << 2;
      const unsigned next = __shfl_down_sync(kAllLanes, own, 1, kHalf);
      if (write && HalfLane() % 2 == 0) base[PositionOf(i) / 4] = static_cast<uint8_t>(own | next << 4);
    }
    if (write && HalfLane() == 0) out.base_scales[at] = Fp16Bits(s);
  }

  // One bit a sign, eight a byte: four lanes share one.
  __device__ void StoreSigns(unsigned at, bool write, bool clear, const Int2Arrays& out) const {
    uint8_t* signs = out.signs + static_cast<size_t>(at) * (kSize / 8);
#pragma unroll
    for (int i = 0; i < kValues; i += 2) {
      unsigned bits = clear ? 0u : (positive[i] ? 1u : 0u) | (positive[i + 1] ? 2u : 0u);
      bits |= __shfl_down_sync(kAllLanes, bits, 1, kHalf) << 2;
      bits |= __shfl_down_sync(kAllLanes, bits, 2, kHalf) << 4;
      if (write && HalfLane() % 4 == 0) signs[PositionOf(i) / 8] = static_cast<uint8_t>(bits);
    }
    if (write && HalfLane() == 0) out.residual_scales[at] = Fp16Bits(r);
  }
};

template <int kSize>
__global__ void __launch_bounds__(kBlockThreads)
    Int2BinaryEncodeKernel(WeightBlock block, Int2Arrays out, KernelReport report) {
  __shared__ BlockSums<2> sums;
  sums.Clear();
  UInt128 units = 0;  // lane 0 of a half: int2_base, lane 1: int2_binary_residual
  for (unsigned first = FirstPair(); first < (block.groups + 1) / 2; first += PairStep()) {
    LaneGroup<kSize> group;
    LoadGroup(block, 2 * first + threadIdx.x / kHalf, &group);
    const bool bad = RefuseInt2(&group);
    const Int2Lane<kSize> lane(group, /*corrects=*/false);
    const int multiplier = ChooseBinary(lane);
    float base, binary;
    BinarySums(lane, multiplier, &base, &binary);
    const Int2LaneCodes<kSize> codes(group, lane, multiplier);
    codes.StoreBase(group.at, group.exists, out);
    if (out.signs != nullptr) codes.StoreSigns(group.at, group.exists, lane.zero, out);
    if (bad && HalfLane() == 0) ReportBadGroup(report, block, group.at);
    if (group.exists && !bad && HalfLane() < 2) units += ExactUnits(HalfLane() == 0 ? base : binary);
  }
  if (HalfLane() < 2) sums.Add(static_cast<int>(HalfLane()), units);
  sums.Report(report);
}

// The corrections of the two groups of a warp, on their way from the lanes that hold them to the order in which they
// are stored.
struct WarpCorrections {
  float t[2][kTop];  // by ascending position
  uint8_t position[2][kTop];
  uint8_t code[2 * kTop];  // in stored order, the second group's behind the first's
};

// Puts this half's K largest into `shared` by ascending position.
template <int kValues>
__device__ void GatherLargest(const float (&t)[kValues], uint32_t selected, WarpCorrections* shared) {
  const unsigned half = Lane() / kHalf;
  SetOrder order;
#pragma unroll
  for (int i = 0; i < kValues; ++i) {
    unsigned place[2];
    if (i % 2 != 0) continue;
    const bool in[2] = {((selected >> i) & 1) != 0, ((selected >> (i + 1)) & 1) != 0};
    order.Next(in[0], in[1], &place[0], &place[1]);
#pragma unroll
    for (int bit = 0; bit < 2; ++bit) {
      if (!in[bit]) continue;
      shared->t[half][place[bit]] = t[i + bit];
      shared->position[half][place[bit]] = static_cast<uint8_t>(PositionOf(i + bit));
    }
  }
}

// Lane i of the half stores the i-th of its K corrections at its rank: larger ones first, equal ones by position.
__device__ inline void RankCorrections(const CodeScale& scale, unsigned k, unsigned at, bool write,
                                       const Int2Arrays& out, WarpCorrections* shared) {
  const unsigned half = Lane() / kHalf, own = HalfLane();
  if (own >= k) return;
  const uint32_t key = std::bit_cast<uint32_t>(Magnitude(shared->t[half][own]));
  unsigned rank = 0;
  for (unsigned i = 0; i < k; ++i) {
    const uint32_t other = std::bit_cast<uint32_t>(Magnitude(shared->t[half][i]));
    rank += other > key || (other == key && i < own) ? 1u : 0u;
  }
  shared->code[half * k + rank] = static_cast<uint8_t>(static_cast<int>(scale.Code(shared->t[half][own])) + 8);
  if (write) out.indices[static_cast<size_t>(at) * k + rank] = shared->position[half][own];
}

// Both groups of a warp have 2*k nibbles, which are whole bytes that no other warp writes. Behind a last group that is
// alone, a nibble of 8 fills the byte.
__device__ inline void StoreNibbles(unsigned pair, unsigned groups, unsigned k, const Int2Arrays& out,
                                    const WarpCorrections& shared) {
  const unsigned nibbles = 2 * pair + 1 < groups ? 2 * k : 2 * pair < groups ? k : 0;
  const unsigned first = 2 * Lane();
  if (first >= nibbles) return;
  const unsigned high = first + 1 < nibbles ? shared.code[first + 1] : 8u;
  out.corrections[static_cast<size_t>(pair) * k + Lane()] = static_cast<uint8_t>(shared.code[first] | high << 4);
}

template <int kSize>
__global__ void __launch_bounds__(kBlockThreads, kSize == 256 ? 3 : 4)
    Int2CorrectedEncodeKernel(WeightBlock block, int k, Int2Arrays out, KernelReport report) {
  __shared__ BlockSums<1> sums;
  __shared__ WarpCorrections corrections[kBlockThreads / 32];
  WarpCorrections* shared = &corrections[threadIdx.x / 32];
  sums.Clear();
  SearchedCorrections request;
  request.k[0] = k;
  UInt128 units = 0;
  for (unsigned first = FirstPair(); first < (block.groups + 1) / 2; first += PairStep()) {
    LaneGroup<kSize> group;
    LoadGroup(block, 2 * first + threadIdx.x / kHalf, &group);
    const bool bad = RefuseInt2(&group);
    const Int2Lane<kSize> lane(group, /*corrects=*/true);
    Int2Best best[kMaxSearchedCorrections];
    ChooseCorrected(lane, request, best);
    const Int2LaneCodes<kSize> codes(group, lane, best[0].multiplier);
    codes.StoreBase(group.at, group.exists, out);
    codes.StoreSigns(group.at, group.exists, false, out);
    const TopEight top = FindTopEight(codes.t);
    const CodeScale scale = CorrectionScale(top.Largest(1));
    uint32_t selected = 0;
    ForLargest(codes.t, top, k, [&](int i, bool is_selected) {
      selected = (selected & ~(1u << i)) | (is_selected ? 1u : 0u) << i;
    });
    GatherLargest(codes.t, selected, shared);
    __syncwarp();
    RankCorrections(scale, static_cast<unsigned>(k), group.at, group.exists, out, shared);
    __syncwarp();
    StoreNibbles(first + threadIdx.x / 32, block.groups, static_cast<unsigned>(k), out, *shared);
    __syncwarp();
    if (bad && HalfLane() == 0) ReportBadGroup(report, block, group.at);
    if (!group.exists || HalfLane() != 0) continue;
    out.counts[group.at] =
        static_cast<uint8_t>(static_cast<unsigned>(k) < group.real ? static_cast<unsigned>(k) : group.real);
    out.correction_scales[group.at] = scale.bits;
    if (!bad) units += ExactUnits(best[0].cost);
  }
  if (HalfLane() == 0) sums.Add(0, units);
  sums.Report(report);
}

}  // namespace

cudaError_t LaunchInt2BinaryEncode(const Launch& launch, const WeightBlock& block, int group_size, Int2Arrays out,
                                   KernelReport report) {
  return WithGroupSize(group_size, [&]<int kSize>() {
    return StartGroups(launch, block.groups, Int2BinaryEncodeKernel<kSize>, block, out, report);
  });
}

cudaError_t LaunchInt2CorrectedEncode(const Launch& launch, const WeightBlock& block, int group_size, int k,
                                      Int2Arrays out, KernelReport report) {
  return WithGroupSize(group_size, [&]<int kSize>() {
    return StartGroups(launch, block.groups, Int2CorrectedEncodeKernel<kSize>, block, k, out, report);
  });
}

}  // namespace sub1quant
