// Runs work items on a fixed number of threads of this call's own; returns when all are done.
#pragma once

#include <cstdint>
#include <functional>

#include "absl/status/status.h"

namespace sub1quant {

// Calls body(i) for every i in [0, count), each once, on at most `threads` threads (1: on the caller). The first error
// by index wins, and items not yet started are then left out. Results must not depend on the split: body(i) writes only
// to place i. Each item is a step of the caller's heartbeat.
absl::Status ParallelFor(int threads, int64_t count, const std::function<absl::Status(int64_t)>& body);

// std::thread::hardware_concurrency limited by the CPU affinity mask of this process; at least 1.
int AvailableThreads();

}  // namespace sub1quant
