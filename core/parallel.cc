#include "core/parallel.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

#include "core/heartbeat.h"

namespace sub1quant {

absl::Status ParallelFor(int threads, int64_t count, const std::function<absl::Status(int64_t)>& body) {
  std::atomic<int64_t> next{0};
  std::mutex mutex;
  int64_t error_index = count;
  absl::Status error;
  auto run = [&, heartbeat = Heartbeat::OfThread()] {
    const Heartbeat::Adopt adopt(heartbeat);
    for (int64_t i = next.fetch_add(1); i < count; i = next.fetch_add(1)) {
      const Heartbeat::Step step;
      absl::Status status = body(i);
      if (status.ok()) continue;
      std::lock_guard<std::mutex> lock(mutex);
      if (i < error_index) {
        error_index = i;
        error = std::move(status);
      }
      next.store(count);
    }
  };
  const auto extra = static_cast<size_t>(std::max<int64_t>(0, std::min<int64_t>(threads, count) - 1));
  std::vector<std::thread> pool;
  pool.reserve(extra);
  for (size_t i = 0; i < extra; ++i) pool.emplace_back(run);
  run();
  for (std::thread& thread : pool) thread.join();
  return error;
}

int AvailableThreads() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1u, std::thread::hardware_concurrency());
}

}  // namespace sub1quant
