#include "quant/eval/torch/matrix_buffer.h"

#include <ATen/ops/empty.h>

namespace sub1quant {

void MatrixBuffer::Reset(int64_t elements, const at::TensorOptions& options) {
  used_ = 0;
  if (memory_.defined() && memory_.numel() >= elements) return;
  memory_ = at::Tensor();  // before the larger one
  memory_ = at::empty({elements}, options);
}

at::Tensor MatrixBuffer::Take(int64_t rows, int64_t cols) {
  const at::Tensor piece = memory_.narrow(0, used_, rows * cols).view({rows, cols});
  used_ += Room(rows, cols);
  return piece;
}

}  // namespace sub1quant
