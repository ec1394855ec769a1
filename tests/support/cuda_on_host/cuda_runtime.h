// Stands in for CUDA's header of this name, so that a .cu file compiles as C++20 and runs on the CPU, unchanged:
// put this folder on the include path and compile with -x c++. It gives threads, warps, shared memory and streams
// their meaning (block.h, streams.h). It shows mistakes of logic; it says nothing about speed, about the memory model
// of a device, or about what nvcc makes of the same source.
//
// A kernel is started through cudaLaunchKernelEx, which both sides have, not through <<<>>>.
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>

#include "block.h"
#include "streams.h"

// CUDA's names, reserved or not. NOLINTBEGIN(bugprone-reserved-identifier)
#define __global__
#define __device__
#define __host__
#define __constant__ static const
#define __forceinline__ inline
#define __launch_bounds__(...)
// One block at a time runs on an OS thread: one copy per OS thread is one per block. What the block before left in it
// stands there, as on a device.
#define __shared__ static thread_local

struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};

inline void __syncthreads() { cuda_on_host::SyncThreads(); }
inline void __syncwarp(unsigned mask = ~0u) { cuda_on_host::SyncWarp(mask); }

// Within segments of `width` lanes, a power of two.
template <typename T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32) {
  const unsigned lane = cuda_on_host::Current()->current->lane, segment = static_cast<unsigned>(width) - 1;
  return cuda_on_host::Shuffle(mask, value, (lane & ~segment) | (static_cast<unsigned>(source) & segment));
}
template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int bits, int = 32) {
  return cuda_on_host::Shuffle(mask, value, cuda_on_host::Current()->current->lane ^ static_cast<unsigned>(bits));
}
template <typename T>
T __shfl_down_sync(unsigned mask, T value, unsigned by, int width = 32) {
  const unsigned lane = cuda_on_host::Current()->current->lane, segment = static_cast<unsigned>(width) - 1;
  return cuda_on_host::Shuffle(mask, value, (lane & segment) + by <= segment ? lane + by : lane);
}
inline unsigned __ballot_sync(unsigned mask, int predicate) {
  const uint32_t live = mask & cuda_on_host::Current()->current->warp->live;
  const uint64_t* slots = cuda_on_host::Exchange(mask, uint64_t{predicate != 0});
  unsigned votes = 0;
  for (unsigned lane = 0; lane < 32; ++lane)
    if ((live >> lane) & 1) votes |= static_cast<unsigned>(slots[lane]) << lane;
  return votes;
}
inline int __any_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }
inline int __all_sync(unsigned mask, int predicate) { return __ballot_sync(mask, !predicate) == 0; }
inline unsigned __reduce_add_sync(unsigned mask, unsigned value) {
  const uint32_t live = mask & cuda_on_host::Current()->current->warp->live;
  const uint64_t* slots = cuda_on_host::Exchange(mask, uint64_t{value});
  unsigned sum = 0;
  for (unsigned lane = 0; lane < 32; ++lane)
    if ((live >> lane) & 1) sum += static_cast<unsigned>(slots[lane]);
  return sum;
}

template <typename T>
T atomicAdd(T* to, T value) {
  return std::atomic_ref<T>(*to).fetch_add(value);
}
template <typename T>
T atomicMin(T* to, T value) {
  std::atomic_ref<T> place(*to);
  T seen = place.load();
  while (value < seen && !place.compare_exchange_weak(seen, value)) {
  }
  return seen;
}

template <typename T>
T __ldg(const T* from) {
  return *from;
}
inline unsigned __float_as_uint(float value) { return std::bit_cast<unsigned>(value); }
inline float __uint_as_float(unsigned bits) { return std::bit_cast<float>(bits); }
inline int __popc(unsigned bits) { return std::popcount(bits); }
inline int __ffs(int bits) { return bits == 0 ? 0 : std::countr_zero(static_cast<unsigned>(bits)) + 1; }
// NOLINTEND(bugprone-reserved-identifier)
