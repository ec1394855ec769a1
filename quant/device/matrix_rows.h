// The rows of a matrix as the device module takes them.
#pragma once

#include "quant/codec/codec.h"
#include "quant/device/module.h"

namespace sub1quant {

// From memory or from the reader of `matrix`, by up to `threads` threads, straight into the device's pinned buffer: one
// thread copies slower than a bus. Used from one thread at a time; `matrix`' memory or reader outlives it.
class MatrixRows final : public HostRows {
 public:
  MatrixRows(const MatrixView& matrix, int threads) : matrix_(matrix), threads_(threads) {}
  bool Read(int64_t first, int64_t count, void* out) override;

 private:
  const MatrixView matrix_;
  const int threads_;
};

}  // namespace sub1quant
