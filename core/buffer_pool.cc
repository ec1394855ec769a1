#include "core/buffer_pool.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>

namespace sub1quant {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;

bool Smaller(const Buffer& a, const Buffer& b) { return a.size() < b.size(); }

}  // namespace

Buffer::Buffer(size_t size) : size_((std::max<size_t>(size, 1) + kHugePage - 1) / kHugePage * kHugePage) {
  if (size_ < size) throw std::bad_alloc();
  void* data = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) throw std::bad_alloc();
  data_ = static_cast<char*>(data);
  madvise(data_, size_, MADV_HUGEPAGE);  // a wish
}

Buffer::~Buffer() {
  if (data_ != nullptr) munmap(data_, size_);
}

BufferPool::Loan BufferPool::Borrow(size_t size) {
  Buffer found;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto fits =
        std::find_if(free_.begin(), free_.end(), [size](const Buffer& buffer) { return buffer.size() >= size; });
    if (fits != free_.end()) {
      found = std::move(*fits);
      free_.erase(fits);
      return Loan(this, std::move(found));
    }
    // None is large enough: one of them makes room for the new one.
    if (!free_.empty()) {
      found = std::move(free_.back());
      free_.pop_back();
    }
  }
  found = Buffer();
  return Loan(this, Buffer(size));
}

void BufferPool::Trim() {
  const std::lock_guard<std::mutex> lock(mutex_);
  free_.clear();
}

void BufferPool::TakeBack(Buffer buffer) {
  const std::lock_guard<std::mutex> lock(mutex_);
  free_.insert(std::upper_bound(free_.begin(), free_.end(), buffer, Smaller), std::move(buffer));
}

}  // namespace sub1quant
