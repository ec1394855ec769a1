// Memory that weights are fetched into, and what fetches them. Private to this folder.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/status.h"

namespace sub1quant {

// Memory for the matrices of one layer, a block of the LM head or rows of a table, used again for the next.
class MatrixBuffer {
 public:
  // Forgets the pieces taken before and makes room for `elements` more, rounding included.
  void Reset(int64_t elements, const at::TensorOptions& options);
  at::Tensor Take(int64_t rows, int64_t cols);
  // Of a piece, rounded to a cache line in every type.
  static int64_t Room(int64_t rows, int64_t cols) { return (rows * cols + 63) / 64 * 64; }
  // All of it; undefined before the first Reset.
  const at::Tensor& memory() const { return memory_; }

 private:
  at::Tensor memory_;  // flat
  int64_t used_ = 0;
};

// What fills the matrices of a layer, the rows of a head or of a table. The steps may run in any order and at the same
// time.
using FetchSteps = std::vector<std::function<absl::Status()>>;

}  // namespace sub1quant
