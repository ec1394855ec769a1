// What the host hands to the kernels of the codecs. Plain data.
#pragma once

#include <cstdint>

namespace sub1quant {

// As the ABI of the device module: do not renumber.
enum class WeightType : int32_t { kBF16 = 0, kF16 = 1, kF32 = 2 };

// A block of whole rows in device memory, row-major, contiguous. Fewer than 2^31 groups and 2^31 weights with padding.
struct WeightBlock {
  const void* data = nullptr;
  WeightType type = WeightType::kBF16;
  uint32_t cols = 0;
  uint32_t groups_per_row = 0;
  uint32_t groups = 0;       // rows * groups_per_row
  uint64_t first_group = 0;  // number in the matrix of the block's first group, for `first_bad`
};

// A block of whole rows to decode into, in device memory, row-major, contiguous; float32, or bfloat16 rounded to
// nearest even.
struct DenseBlock {
  void* data = nullptr;
  WeightType type = WeightType::kF32;  // kBF16 or kF32
  uint32_t rows = 0;
  uint32_t cols = 0;
  uint32_t groups_per_row = 0;
  uint64_t first_group = 0;
};

// K of int2_error_budget_k{K} of one search, all different, each 1 to 8 and at most the group size; 0 where there is
// none.
constexpr int kMaxSearchedCorrections = 3;
struct SearchedCorrections {
  int32_t k[kMaxSearchedCorrections] = {};
};

constexpr int kLimbs = 4;
constexpr uint64_t kNoBadGroup = ~uint64_t{0};

// Where all launches of one call report, in device memory.
struct KernelReport {
  // Lowest number (in the matrix) of a group that a method must refuse or that cannot be decoded.
  unsigned long long* first_bad = nullptr;
  // Exact sums, one row of 32-bit limbs for each sum that the kernel makes, low limb first, each in 64 bits so that no
  // carry is needed while blocks add to them.
  unsigned long long* limbs = nullptr;
};

}  // namespace sub1quant
