#include "quant/eval/cuda/score_kernels.h"

#include <cmath>
#include <limits>

#include "quant/codec/half_warp.cuh"
#include "quant/codec/launch.cuh"

namespace sub1quant {
namespace {

constexpr unsigned kWarps = kBlockThreads / 32;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

__device__ inline float Load(const float* from) { return *from; }
__device__ inline float Load(const Bfloat16* from) { return Bf16Value(from->bits); }

__device__ inline void Store(float value, float* to) { *to = value; }
// The NaN of a device has all bits set: adding to it, as rounding does, would make it a zero.
__device__ inline void Store(float value, Bfloat16* to) {
  to->bits = std::isnan(value) ? uint16_t{0x7fc0} : Bf16Bits(value);
}

template <typename T>
__device__ inline float Round(float value) {
  T rounded;
  Store(value, &rounded);
  return Load(&rounded);
}

// A block has a row, then another one. Threads leave a row when they like: OverBlock keeps its folds apart.
template <typename Body>
__device__ void ForRows(int64_t rows, const Body& body) {
  for (int64_t row = blockIdx.x; row < rows; row += gridDim.x) body(row);
}

// A thread's share of a row: neighbours in memory are read by neighbours.
template <typename Body>
__device__ void ForColumns(int64_t width, const Body& body) {
  for (int64_t i = threadIdx.x; i < width; i += kBlockThreads) body(i);
}

struct Sum {
  __device__ float operator()(float a, float b) const { return a + b; }
};
// The first of the two, if the other is NaN.
struct Larger {
  __device__ float operator()(float a, float b) const { return b > a ? b : a; }
};

// `fold` over the values of all threads, in one order; every thread gets the result.
template <typename Fold>
__device__ float OverBlock(float value, Fold fold) {
  __shared__ float of_warp[kWarps];
#pragma unroll
  for (int lanes = 16; lanes >= 1; lanes /= 2) value = fold(value, __shfl_xor_sync(kAllLanes, value, lanes));
  if (Lane() == 0) of_warp[threadIdx.x / 32] = value;
  __syncthreads();
  value = of_warp[0];
#pragma unroll
  for (unsigned warp = 1; warp < kWarps; ++warp) value = fold(value, of_warp[warp]);
  // The next fold writes there again.
  __syncthreads();
  return value;
}

template <typename T>
__device__ float InverseNorm(const T* x, float eps, int64_t width) {
  float squares = 0;
  ForColumns(width, [&](int64_t i) {
    const float value = Load(x + i);
    squares += value * value;
  });
  return 1.0f / std::sqrt(OverBlock(squares, Sum()) / static_cast<float>(width) + eps);
}

__device__ inline float Weighted(float value, const float* weight, int64_t i) {
  return weight == nullptr ? value : value * weight[i];
}

template <typename T>
__global__ void __launch_bounds__(kBlockThreads)
    RmsNormKernel(const T* x, const float* weight, float eps, int64_t rows, int64_t width, T* out) {
  ForRows(rows, [&](int64_t row) {
    const T* from = x + row * width;
    T* to = out + row * width;
    const float inverse = InverseNorm(from, eps, width);
    ForColumns(width, [&](int64_t i) { Store(Weighted(Load(from + i) * inverse, weight, i), to + i); });
  });
}

template <typename T>
__global__ void __launch_bounds__(kBlockThreads)
    AddRmsNormKernel(T* x, const T* y, const float* weight, float eps, float factor, int64_t rows, int64_t width) {
  ForRows(rows, [&](int64_t row) {
    T* to = x + row * width;
    const T* from = y + row * width;
    const float inverse = InverseNorm(from, eps, width);
    ForColumns(width, [&](int64_t i) {
      const float normed = Round<T>(Weighted(Load(from + i) * inverse, weight, i));
      Store(Round<T>(Load(to + i) + normed) * factor, to + i);
    });
  });
}

// 0.5·x·(1 + tanh(√(2/π)·(x + 0.044715·x³))), written with 0.5·(1 + tanh u) = 1 / (1 + e^(-2u)), which cancels nowhere.
__device__ inline float GeluTanh(float x) {
  const float u2 = 1.5957691216057308f * (x + 0.044715f * (x * x * x));
  return x / (1.0f + std::exp(-u2));
}

template <typename T>
__global__ void __launch_bounds__(kBlockThreads)
    GatedGeluKernel(T* gate, const T* up, int64_t up_stride, int64_t rows, int64_t width) {
  ForRows(rows, [&](int64_t row) {
    T* to = gate + row * width;
    const T* from = up + row * up_stride;
    ForColumns(width, [&](int64_t i) { Store(Round<T>(GeluTanh(Load(to + i))) * Load(from + i), to + i); });
  });
}

template <typename T>
__global__ void __launch_bounds__(kBlockThreads)
    RopeKernel(T* x, const T* cos, const T* sin, int64_t rows, int64_t heads, int64_t positions, int64_t half) {
  ForRows(rows, [&](int64_t row) {
    T* low = x + row * 2 * half;
    T* high = low + half;
    const int64_t angles = row / heads % positions * half;
    ForColumns(half, [&](int64_t i) {
      const float a = Load(low + i), b = Load(high + i), c = Load(cos + angles + i), s = Load(sin + angles + i);
      Store(Round<T>(a * c) - Round<T>(b * s), low + i);
      Store(Round<T>(b * c) + Round<T>(a * s), high + i);
    });
  });
}

template <typename T>
__device__ inline float Capped(float logit, float cap) {
  return cap == 0 ? logit : Round<T>(Round<T>(std::tanh(Round<T>(logit / cap))) * cap);
}

// The cap keeps order (to a unit in the last place, which a maximum to subtract may be off), so one tanh of the largest
// logit does for the first pass.
template <typename T>
__global__ void __launch_bounds__(kBlockThreads)
    FoldLogitsKernel(const T* logits, int64_t rows, int64_t count, int64_t begin, float cap, RunningLogSum* sums) {
  ForRows(rows, [&](int64_t row) {
    const T* tile = logits + row * count;
    RunningLogSum sum = sums[row];
    float largest = -kInfinity;
    ForColumns(count, [&](int64_t i) { largest = Larger()(largest, Load(tile + i)); });
    const float max = Larger()(sum.max, Capped<T>(OverBlock(largest, Larger()), cap));
    const float shift = max == -kInfinity ? 0.0f : max;
    float part = 0;
    ForColumns(count, [&](int64_t i) { part += std::exp(Capped<T>(Load(tile + i), cap) - shift); });
    const float total = OverBlock(part, Sum());
    if (threadIdx.x != 0) return;
    if (sum.label >= begin && sum.label < begin + count) sum.target = Capped<T>(Load(tile + (sum.label - begin)), cap);
    sum.sum = sum.sum * std::exp(sum.max - shift) + total;
    sum.max = max;
    sums[row] = sum;
  });
}

// A thread has a row here.
__device__ inline int64_t FirstRow() { return static_cast<int64_t>(blockIdx.x) * kBlockThreads + threadIdx.x; }
__device__ inline int64_t RowStep() { return static_cast<int64_t>(gridDim.x) * kBlockThreads; }

__global__ void __launch_bounds__(kBlockThreads)
    BeginLogSumsKernel(const int64_t* labels, int64_t rows, RunningLogSum* sums) {
  for (int64_t row = FirstRow(); row < rows; row += RowStep())
    sums[row] = {-kInfinity, 0, std::numeric_limits<float>::quiet_NaN(), labels[row]};
}

__global__ void __launch_bounds__(kBlockThreads) LossesKernel(const RunningLogSum* sums, int64_t rows, float* losses) {
  for (int64_t row = FirstRow(); row < rows; row += RowStep()) {
    const RunningLogSum sum = sums[row];
    losses[row] = static_cast<float>(std::log(static_cast<double>(sum.sum)) + sum.max - sum.target);
  }
}

}  // namespace

template <typename T>
cudaError_t LaunchRmsNorm(const Launch& launch, const T* x, const float* weight, float eps, int64_t rows, int64_t width,
                          T* out) {
  return StartKernel(launch, static_cast<uint64_t>(rows), 1, RmsNormKernel<T>, x, weight, eps, rows, width, out);
}

template <typename T>
cudaError_t LaunchAddRmsNorm(const Launch& launch, T* x, const T* y, const float* weight, float eps, float factor,
                             int64_t rows, int64_t width) {
  return StartKernel(launch, static_cast<uint64_t>(rows), 1, AddRmsNormKernel<T>, x, y, weight, eps, factor, rows,
                     width);
}

template <typename T>
cudaError_t LaunchGatedGelu(const Launch& launch, T* gate, const T* up, int64_t up_stride, int64_t rows,
                            int64_t width) {
  return StartKernel(launch, static_cast<uint64_t>(rows), 1, GatedGeluKernel<T>, gate, up, up_stride, rows, width);
}

template <typename T>
cudaError_t LaunchRope(const Launch& launch, T* x, const T* cos, const T* sin, int64_t rows, int64_t heads,
                       int64_t positions, int64_t half) {
  return StartKernel(launch, static_cast<uint64_t>(rows), 1, RopeKernel<T>, x, cos, sin, rows, heads, positions, half);
}

template <typename T>
cudaError_t LaunchFoldLogits(const Launch& launch, const T* logits, int64_t rows, int64_t count, int64_t begin,
                             float cap, RunningLogSum* sums) {
  if (count == 0) return cudaSuccess;
  return StartKernel(launch, static_cast<uint64_t>(rows), 1, FoldLogitsKernel<T>, logits, rows, count, begin, cap,
                     sums);
}

cudaError_t LaunchBeginLogSums(const Launch& launch, const int64_t* labels, int64_t rows, RunningLogSum* sums) {
  return StartKernel(launch, static_cast<uint64_t>(rows), kBlockThreads, BeginLogSumsKernel, labels, rows, sums);
}

cudaError_t LaunchLosses(const Launch& launch, const RunningLogSum* sums, int64_t rows, float* losses) {
  return StartKernel(launch, static_cast<uint64_t>(rows), kBlockThreads, LossesKernel, sums, rows, losses);
}

#define SUB1QUANT_SCORE_KERNELS_OF(T)                                                                               \
  template cudaError_t LaunchRmsNorm(const Launch&, const T*, const float*, float, int64_t, int64_t, T*);           \
  template cudaError_t LaunchAddRmsNorm(const Launch&, T*, const T*, const float*, float, float, int64_t, int64_t); \
  template cudaError_t LaunchGatedGelu(const Launch&, T*, const T*, int64_t, int64_t, int64_t);                     \
  template cudaError_t LaunchRope(const Launch&, T*, const T*, const T*, int64_t, int64_t, int64_t, int64_t);       \
  template cudaError_t LaunchFoldLogits(const Launch&, const T*, int64_t, int64_t, int64_t, float, RunningLogSum*);
SUB1QUANT_SCORE_KERNELS_OF(float)
SUB1QUANT_SCORE_KERNELS_OF(Bfloat16)
#undef SUB1QUANT_SCORE_KERNELS_OF

}  // namespace sub1quant
