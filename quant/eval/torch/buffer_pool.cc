#include "quant/eval/torch/buffer_pool.h"

#include <c10/core/CPUAllocator.h>
#include <sys/mman.h>

#include <cstdlib>
#include <map>
#include <mutex>
#include <new>

namespace sub1quant {
namespace {

constexpr size_t kAlignment = 64;  // of the data; the header takes as much
constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kSmallest = size_t{256} << 10, kLargest = size_t{64} << 20, kGranularity = size_t{64} << 10;

// In front of the data.
struct Header {
  size_t capacity;  // 0: not from the pool
};

class BufferPool final : public c10::Allocator {
 public:
  void set_idle_limit(uint64_t bytes) { idle_limit_ = bytes; }

  c10::DataPtr allocate(size_t size) override {
    const bool pooled = size >= kSmallest && size <= kLargest;
    const size_t capacity = pooled ? (size + kGranularity - 1) / kGranularity * kGranularity : size;
    void* block = pooled ? TakeIdle(capacity) : nullptr;
    if (block == nullptr) {
      block = NewBlock(kAlignment + capacity);
      static_cast<Header*>(block)->capacity = pooled ? capacity : 0;
    }
    void* data = static_cast<char*>(block) + kAlignment;
    return {data, data, &Release, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &Release; }
  void copy_data(void* to, const void* from, size_t size) const override { default_copy_data(to, from, size); }

  static BufferPool& Instance() {
    static auto* const pool = new BufferPool;  // tensors may die after main
    return *pool;
  }

 private:
  static void* NewBlock(size_t bytes) {
    const bool large = bytes >= kHugePage;
    void* block = nullptr;
    if (posix_memalign(&block, large ? kHugePage : kAlignment, bytes) != 0) throw std::bad_alloc();
    if (large) madvise(block, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);  // a wish: without it, small pages
    return block;
  }

  static void Release(void* data) {
    if (data == nullptr) return;
    void* block = static_cast<char*>(data) - kAlignment;
    const size_t capacity = static_cast<Header*>(block)->capacity;
    if (capacity == 0 || !Instance().KeepIdle(block, capacity)) std::free(block);
  }

  // At most an eighth larger than asked for.
  void* TakeIdle(size_t capacity) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = idle_.lower_bound(capacity);
    if (found == idle_.end() || found->first > capacity + capacity / 8) return nullptr;
    void* block = found->second;
    idle_bytes_ -= found->first;
    idle_.erase(found);
    return block;
  }

  bool KeepIdle(void* block, size_t capacity) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (idle_bytes_ + capacity > idle_limit_) return false;
    idle_.emplace(capacity, block);
    idle_bytes_ += capacity;
    return true;
  }

  std::mutex mutex_;
  uint64_t idle_limit_ = 0, idle_bytes_ = 0;
  std::multimap<size_t, void*> idle_;  // blocks by capacity
};

}  // namespace

void InstallBufferPool(uint64_t idle_bytes) {
  BufferPool::Instance().set_idle_limit(idle_bytes);
  c10::SetCPUAllocator(&BufferPool::Instance(), /*priority=*/1);
}

}  // namespace sub1quant
