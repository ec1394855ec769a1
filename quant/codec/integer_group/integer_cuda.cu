#include "quant/codec/arithmetic.h"
#include "quant/codec/decode.cuh"
#include "quant/codec/exact_sum.cuh"
#include "quant/codec/half_warp.cuh"
#include "quant/codec/integer_group/integer_cuda.h"
#include "quant/codec/integer_group/integer_grid.h"
#include "quant/codec/launch.cuh"

namespace sub1quant {
namespace {

constexpr int kScalesAtOnce = 8;  // four factors, both signs of each: the sums of one transposed reduction
constexpr int kNoScale = 1 << 30;

// What a kernel of one width works with. The offset is a power of two: multiplying by its inverse is dividing by it.
struct Width {
  IntegerGridSpec grid;
  float low, high, inverse_offset;

  __device__ uint16_t Magnitude16(float factor, float absmax) const {
    return Fp16Bits((factor * absmax) * inverse_offset);
  }
};

// A kept scale: the candidates count in the order of the grid, the positive sign of a factor before the negative.
struct IntegerBest {
  float cost = 0;
  int candidate = kNoScale;

  __device__ void Offer(float other_cost, int other) {
    if (other == kNoScale) return;
    if (candidate == kNoScale || other_cost < cost || (other_cost == cost && other < candidate)) {
      cost = other_cost;
      candidate = other;
    }
  }
};

// This lane's parts of the costs of scale and -scale. Both share the rounded quotient: with -scale it is the negative
// one, so clamping it between -high and -low gives the same error.
template <int kValues>
__device__ void CostParts(const float (&weights)[kValues], const Width& width, float scale, float inverse,
                          float* positive, float* negative) {
  float up[kValues], down[kValues];
#pragma unroll
  for (int i = 0; i < kValues; ++i) {
    const float q = RoundToInteger(weights[i] * inverse);
    up[i] = weights[i] - Clamp(q, width.low, width.high) * scale;
    down[i] = weights[i] - Clamp(q, -width.high, -width.low) * scale;
  }
  *positive = LanePartOfSquares(up);
  *negative = LanePartOfSquares(down);
}

// The candidate of least cost, the first of equals; `factors` in shared memory. A zero group has none.
template <int kSize>
__device__ int ChooseScale(const LaneGroup<kSize>& group, const Width& width, const float* factors) {
  IntegerBest best;
#pragma unroll 1
  for (int first = 0; first < width.grid.count; first += kHalf) {
    // Each lane makes the scale of one factor.
    const int own = first + static_cast<int>(HalfLane());
    const uint16_t bits = own < width.grid.count ? width.Magnitude16(factors[own], group.absmax) : uint16_t{0};
    const bool usable = bits != 0 && bits != kFp16Infinity;
    const float scale = usable ? Fp16Value(bits) : 1.0f;
    const float inverse = 1.0f / scale;
    const int end = width.grid.count - first < kHalf ? width.grid.count - first : kHalf;
#pragma unroll 1
    for (int j = 0; j < end; j += kScalesAtOnce / 2) {
      float parts[8];
#pragma unroll
      for (int f = 0; f < kScalesAtOnce / 2; ++f)
        CostParts(group.weights, width, FromHalfLane(scale, j + f), FromHalfLane(inverse, j + f), &parts[2 * f],
                  &parts[2 * f + 1]);
      const float cost = TransposedSums(parts);
      const bool is_usable = FromHalfLane(usable ? 1 : 0, j + SumOfLane() / 2) != 0;
      best.Offer(cost, is_usable ? 2 * (first + j) + SumOfLane() : kNoScale);
    }
  }
#pragma unroll
  for (int lanes = 8; lanes >= 2; lanes /= 2) {
    const float cost = __shfl_xor_sync(kAllLanes, best.cost, lanes);
    best.Offer(cost, __shfl_xor_sync(kAllLanes, best.candidate, lanes));
  }
  return best.candidate;
}

// Codes and errors at the kept scale.
template <int kSize>
struct IntegerLane {
  static constexpr int kValues = LaneLayout<kSize>::kValues;
  float q[kValues], error[kValues];

  __device__ IntegerLane(const LaneGroup<kSize>& group, const Width& width, float scale) {
    const float inverse = 1.0f / scale;
#pragma unroll
    for (int i = 0; i < kValues; ++i) {
      q[i] = Clamp(RoundToInteger(group.weights[i] * inverse), width.low, width.high);
      error[i] = group.weights[i] - q[i] * scale;
    }
  }
};

// 32-bit words of the stream that holds code i at bits i*B and up, from one code a byte.
__device__ inline uint32_t StreamWord(const uint8_t* codes, unsigned word, unsigned bits) {
  const unsigned begin = 32 * word;
  uint32_t value = 0;
  for (unsigned i = begin / bits; i * bits < begin + 32; ++i) {
    const uint32_t code = codes[i];
    value |= i * bits >= begin ? code << (i * bits - begin) : code >> (begin - i * bits);
  }
  return value;
}

template <int kSize, bool kStore>
__global__ void __launch_bounds__(kBlockThreads, 4)
    IntegerKernel(WeightBlock block, Width width, IntegerArrays out, KernelReport report) {
  __shared__ BlockSums<1> sums;
  __shared__ float factors[kMaxIntegerFactors];
  __shared__ uint8_t codes[kStore ? kBlockThreads / kHalf : 1][kSize];
  for (int j = static_cast<int>(threadIdx.x); j < width.grid.count; j += kBlockThreads)
    factors[j] = IntegerFactor(width.grid, j);
  sums.Clear();  // and the factors are there
  const auto bits = static_cast<unsigned>(width.grid.bits);
  UInt128 units = 0;
  for (unsigned first = FirstPair(); first < (block.groups + 1) / 2; first += PairStep()) {
    LaneGroup<kSize> group;
    LoadGroup(block, 2 * first + threadIdx.x / kHalf, &group);
    const uint16_t largest = width.Magnitude16(1.0f, group.absmax);
    const bool bad = std::bit_cast<uint32_t>(group.absmax) >= 0x7f800000u || largest == kFp16Infinity;
    if (bad) group.Clear();
    const int candidate = ChooseScale(group, width, factors);
    // In a zero group scale 1 is far above the weights: codes 0, errors the weights themselves.
    uint16_t scale = kFp16One;
    if (largest != 0 && !bad)
      scale = static_cast<uint16_t>(width.Magnitude16(factors[candidate / 2], group.absmax) |
                                    (candidate % 2 != 0 ? 0x8000u : 0u));
    const IntegerLane<kSize> lane(group, width, Fp16Value(scale));
    const float sum = HalfSum(LanePartOfSquares(lane.error));
    if constexpr (kStore) {
      uint8_t* mine = codes[threadIdx.x / kHalf];
#pragma unroll
      for (int i = 0; i < lane.kValues; ++i)
        mine[PositionOf(i)] = static_cast<uint8_t>(static_cast<int>(lane.q[i]) - static_cast<int>(width.low));
      __syncwarp();
      auto* words = reinterpret_cast<uint32_t*>(out.packed + static_cast<size_t>(group.at) * (kSize * bits / 8));
      for (unsigned word = HalfLane(); group.exists && word < kSize * bits / 32; word += kHalf)
        words[word] = StreamWord(mine, word, bits);
      __syncwarp();
      if (group.exists && HalfLane() == 0) out.scales[group.at] = scale;
    }
    if (!group.exists || HalfLane() != 0) continue;
    if (bad) {
      ReportBadGroup(report, block, group.at);
    } else {
      units += ExactUnits(sum);
    }
  }
  if (HalfLane() == 0) sums.Add(0, units);
  sums.Report(report);
}

struct IntegerSource {
  IntegerArrays in;
  unsigned bits;

  template <int kSize>
  __device__ __forceinline__ bool Decode(unsigned at, unsigned first, float* out) const {
    const float scale = Fp16Value(in.scales[at]);
    const uint8_t* bytes = in.packed + (static_cast<size_t>(at) * kSize + first) / 8 * bits;
    uint64_t stream = 0;  // eight codes are `bits` bytes
    for (unsigned i = 0; i < bits; ++i) stream |= static_cast<uint64_t>(bytes[i]) << (8 * i);
    const int offset = 1 << (bits - 1);
#pragma unroll
    for (int i = 0; i < kDecodedAtOnce; ++i) {
      out[i] = static_cast<float>(static_cast<int>(stream & ((1u << bits) - 1)) - offset) * scale;
      stream >>= bits;
    }
    return IsFiniteScale(in.scales[at]);
  }
};

Width WidthOf(int bits) {
  Width width{};
  for (const IntegerGridSpec& spec : kIntegerGrids)
    if (spec.bits == bits) width.grid = spec;
  const auto offset = static_cast<float>(1 << (bits - 1));
  width.low = -offset;
  width.high = offset - 1;
  width.inverse_offset = 1 / offset;
  return width;
}

}  // namespace

cudaError_t LaunchIntegerSearch(const Launch& launch, const WeightBlock& block, int group_size, int bits,
                                KernelReport report) {
  return WithGroupSize(group_size, [&]<int kSize>() {
    return StartGroups(launch, block.groups, IntegerKernel<kSize, false>, block, WidthOf(bits), IntegerArrays{},
                       report);
  });
}

cudaError_t LaunchIntegerEncode(const Launch& launch, const WeightBlock& block, int group_size, int bits,
                                IntegerArrays out, KernelReport report) {
  return WithGroupSize(group_size, [&]<int kSize>() {
    return StartGroups(launch, block.groups, IntegerKernel<kSize, true>, block, WidthOf(bits), out, report);
  });
}

cudaError_t LaunchIntegerDecode(const Launch& launch, const DenseBlock& block, int group_size, int bits,
                                IntegerArrays in, KernelReport report) {
  return StartDecode(launch, block, group_size, IntegerSource{in, static_cast<unsigned>(bits)}, report);
}

}  // namespace sub1quant
