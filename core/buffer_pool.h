// Large buffers that are used again: fresh memory costs a page fault every 4 KiB, more than reading a cached file.
#pragma once

#include <cstddef>
#include <mutex>
#include <utility>
#include <vector>

namespace sub1quant {

// Anonymous memory on huge pages where the system gives them. Contents are undefined.
class Buffer {
 public:
  Buffer() = default;
  // Throws std::bad_alloc.
  explicit Buffer(size_t size);
  Buffer(Buffer&& other) noexcept : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Buffer();
  char* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  char* data_ = nullptr;
  size_t size_ = 0;
};

// Thread-safe. Outlives its loans.
class BufferPool {
 public:
  class Loan {
   public:
    Loan() = default;
    Loan(Loan&& other) noexcept : pool_(std::exchange(other.pool_, nullptr)), buffer_(std::move(other.buffer_)) {}
    Loan& operator=(Loan&& other) noexcept {
      std::swap(pool_, other.pool_);
      std::swap(buffer_, other.buffer_);
      return *this;
    }
    ~Loan() {
      if (pool_ != nullptr) pool_->TakeBack(std::move(buffer_));
    }
    char* data() const { return buffer_.data(); }

   private:
    friend class BufferPool;
    Loan(BufferPool* pool, Buffer buffer) : pool_(pool), buffer_(std::move(buffer)) {}
    BufferPool* pool_ = nullptr;
    Buffer buffer_;
  };

  // At least `size` bytes.
  Loan Borrow(size_t size);
  // Frees what is not lent.
  void Trim();

 private:
  void TakeBack(Buffer buffer);

  std::mutex mutex_;
  std::vector<Buffer> free_;  // guarded by mutex_; ascending by size
};

}  // namespace sub1quant
