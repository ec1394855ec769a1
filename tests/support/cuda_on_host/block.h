// Runs one block of CUDA threads on one OS thread: a fiber per CUDA thread, which gives way at barriers, warp
// collectives and at its end. Even blocks start their lanes in ascending order, odd ones in descending order, so that a
// missing __syncwarp or __syncthreads shows whichever lane runs ahead. Misuse that hangs or is undefined on a device
// ends the process with a message: a barrier that some threads never reach, lanes that disagree about a mask.
#pragma once

#include <algorithm>
#include <atomic>
#include <boost/context/detail/fcontext.hpp>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

struct uint3 {
  unsigned x, y, z;
};
struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

// Of the CUDA thread that runs on this OS thread.
inline thread_local uint3 threadIdx{}, blockIdx{};
inline thread_local dim3 blockDim, gridDim;

namespace cuda_on_host {

namespace context = boost::context::detail;

inline constexpr unsigned kWarpSize = 32;
inline constexpr size_t kStackBytes = 64 * 1024;
inline constexpr unsigned kMaxThreads = 1024;

[[noreturn]] inline void Die(const char* why) {
  std::fprintf(stderr, "cuda_on_host: %s\n", why);
  std::abort();
}

struct Warp {
  uint64_t slots[2][kWarpSize];  // of collectives, used in turns
  uint32_t arrived = 0, live = 0;
};

struct Fiber {
  enum class State { kReady, kAtBarrier, kInWarp, kDone };
  State state = State::kReady;
  uint3 thread{};
  unsigned lane = 0;
  unsigned turn = 0;  // which slots the next collective uses
  uint32_t mask = 0;
  Warp* warp = nullptr;
  context::fcontext_t context{};
};

struct Block {
  unsigned live = 0, at_barrier = 0;
  Fiber* current = nullptr;
  std::vector<Fiber> fibers;
  std::vector<Warp> warps;
  std::unique_ptr<unsigned char[]> stacks;
  std::vector<unsigned char> dynamic_shared;
  const std::function<void()>* body = nullptr;
  context::fcontext_t scheduler{};
};

inline Block*& CurrentSlot() {
  static thread_local Block* block = nullptr;
  return block;
}
[[gnu::noinline]] inline Block* Current() { return CurrentSlot(); }

inline void GiveWay() {
  Block* block = Current();
  block->scheduler = context::jump_fcontext(block->scheduler, nullptr).fctx;
}

// Threads that have ended count as arrived, as on sm_70 and later.
inline void ReleaseBarrier(Block* block) {
  if (block->at_barrier == 0 || block->at_barrier != block->live) return;
  block->at_barrier = 0;
  for (Fiber& fiber : block->fibers)
    if (fiber.state == Fiber::State::kAtBarrier) fiber.state = Fiber::State::kReady;
}

inline void SyncThreads() {
  Block* block = Current();
  Fiber* fiber = block->current;
  fiber->state = Fiber::State::kAtBarrier;
  ++block->at_barrier;
  ReleaseBarrier(block);
  while (fiber->state == Fiber::State::kAtBarrier) GiveWay();
}

inline void SyncWarp(uint32_t mask) {
  Fiber* fiber = Current()->current;
  Warp* warp = fiber->warp;
  mask &= warp->live;
  if (((mask >> fiber->lane) & 1) == 0) Die("a lane calls a warp collective without being in its mask");
  warp->arrived |= 1u << fiber->lane;
  fiber->mask = mask;
  fiber->state = Fiber::State::kInWarp;
  if ((warp->arrived & mask) == mask) {
    Fiber* first = fiber - fiber->lane;
    for (unsigned lane = 0; lane < kWarpSize; ++lane) {
      if (((mask >> lane) & 1) == 0) continue;
      if (first[lane].mask != mask) Die("lanes of one warp collective give different masks");
      first[lane].state = Fiber::State::kReady;
    }
    warp->arrived &= ~mask;
  }
  while (fiber->state == Fiber::State::kInWarp) GiveWay();
}

// Every lane of `mask` publishes `value`; returns the slots, valid until the collective after the next.
template <typename T>
uint64_t* Exchange(uint32_t mask, const T& value) {
  static_assert(sizeof(T) <= sizeof(uint64_t));
  Fiber* fiber = Current()->current;
  uint64_t* slots = fiber->warp->slots[fiber->turn ^= 1];
  std::memcpy(&slots[fiber->lane], &value, sizeof(value));
  SyncWarp(mask);
  return slots;
}

template <typename T>
T Shuffle(uint32_t mask, const T& value, unsigned source) {
  T result;
  std::memcpy(&result, &Exchange(mask, value)[source % kWarpSize], sizeof(result));
  return result;
}

inline void FiberMain(context::transfer_t from) {
  Block* block = Current();
  block->scheduler = from.fctx;
  (*block->body)();
  Fiber* fiber = block->current;
  fiber->state = Fiber::State::kDone;
  --block->live;
  fiber->warp->live &= ~(1u << fiber->lane);
  ReleaseBarrier(block);
  for (;;) GiveWay();
}

inline void Resume(Block* block, Fiber* fiber) {
  block->current = fiber;
  threadIdx = fiber->thread;
  fiber->context = context::jump_fcontext(fiber->context, nullptr).fctx;
}

inline void StartFibers(Block* block) {
  const auto count = static_cast<unsigned>(block->fibers.size());
  block->live = count;
  block->at_barrier = 0;
  for (Warp& warp : block->warps) warp = Warp{};
  for (unsigned i = 0; i < count; ++i) {
    Fiber& fiber = block->fibers[i];
    fiber = Fiber{};
    fiber.thread = {i % blockDim.x, i / blockDim.x % blockDim.y, i / (blockDim.x * blockDim.y)};
    fiber.lane = i % kWarpSize;
    fiber.warp = &block->warps[i / kWarpSize];
    fiber.warp->live |= 1u << fiber.lane;
    unsigned char* stack = &block->stacks[size_t{i} * kStackBytes];
    fiber.context = context::make_fcontext(stack + kStackBytes, kStackBytes, FiberMain);
  }
}

inline void RunBlock(Block* block) {
  StartFibers(block);
  const size_t count = block->fibers.size();
  const bool descending = blockIdx.x % 2 == 1;
  while (block->live != 0) {
    bool ran = false;
    for (size_t i = 0; i < count; ++i) {
      Fiber& fiber = block->fibers[descending ? count - 1 - i : i];
      if (fiber.state != Fiber::State::kReady) continue;
      ran = true;
      Resume(block, &fiber);
    }
    if (!ran) Die("some threads of a block never reach the barrier or warp collective that others wait in");
  }
}

// Runs body() once per thread of the grid; returns when all have ended. Blocks are spread over two OS threads.
inline void RunGrid(dim3 grid, dim3 shape, size_t dynamic_shared_bytes, const std::function<void()>& body) {
  const unsigned threads = shape.x * shape.y * shape.z;
  const unsigned blocks = grid.x * grid.y * grid.z;
  if (threads == 0 || threads > kMaxThreads) Die("a block must have 1 to 1024 threads");
  std::atomic<unsigned> next{0};
  auto run = [&] {
    Block block;
    blockDim = shape;
    gridDim = grid;
    block.fibers.resize(threads);
    block.warps.resize((threads + kWarpSize - 1) / kWarpSize);
    block.dynamic_shared.resize(dynamic_shared_bytes + 16);
    block.stacks = std::make_unique_for_overwrite<unsigned char[]>(size_t{threads} * kStackBytes);
    block.body = &body;
    CurrentSlot() = &block;
    for (unsigned i; (i = next.fetch_add(1)) < blocks;) {
      blockIdx = {i % grid.x, i / grid.x % grid.y, i / (grid.x * grid.y)};
      RunBlock(&block);
    }
    CurrentSlot() = nullptr;
  };
  if (blocks < 2) return run();
  std::jthread second(run);
  run();
}

}  // namespace cuda_on_host
