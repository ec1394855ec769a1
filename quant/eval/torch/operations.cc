#include "quant/eval/torch/operations.h"

#include <ATen/ops/full.h>

namespace sub1quant {

double RoundedTo(double factor, at::ScalarType dtype) {
  return at::full({}, factor, at::kFloat).to(dtype).item().toDouble();
}

}  // namespace sub1quant
