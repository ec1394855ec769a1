#include "core/buffer_pool.h"

#include <cstring>
#include <new>

#include "gtest/gtest.h"

namespace sub1quant {
namespace {

TEST(BufferPool, ABufferIsUsedAgain) {
  BufferPool pool;
  const char* first = nullptr;
  {
    const BufferPool::Loan loan = pool.Borrow(3 << 20);
    first = loan.data();
    std::memset(loan.data(), 1, 3 << 20);
  }
  EXPECT_EQ(pool.Borrow(4 << 20).data(), first) << "whole huge pages";
  EXPECT_EQ(pool.Borrow(1).data(), first);
}

TEST(BufferPool, TwoLoansAreTwoBuffers) {
  BufferPool pool;
  const BufferPool::Loan a = pool.Borrow(100), b = pool.Borrow(100);
  EXPECT_NE(a.data(), b.data());
}

TEST(BufferPool, TheSmallestThatFitsIsLent) {
  BufferPool pool;
  const char* small = nullptr;
  {
    const BufferPool::Loan large = pool.Borrow(9 << 20), other = pool.Borrow(2 << 20);
    small = other.data();
  }
  EXPECT_EQ(pool.Borrow(2 << 20).data(), small);
}

TEST(BufferPool, AMovedLoanComesBackOnce) {
  BufferPool pool;
  BufferPool::Loan kept;
  {
    BufferPool::Loan loan = pool.Borrow(10);
    kept = std::move(loan);
  }
  const BufferPool::Loan other = pool.Borrow(10);
  EXPECT_NE(kept.data(), other.data());
}

TEST(BufferPool, TooMuchIsRefusedAsMemoryIs) {
  BufferPool pool;
  EXPECT_THROW(pool.Borrow(~size_t{0}), std::bad_alloc);
  EXPECT_THROW(pool.Borrow(size_t{1} << 60), std::bad_alloc);
}

TEST(BufferPool, TrimmedAndUsedOn) {
  BufferPool pool;
  pool.Borrow(10);
  pool.Trim();
  std::memset(pool.Borrow(5 << 20).data(), 1, 5 << 20);
}

}  // namespace
}  // namespace sub1quant
