// Where a launch goes.
#pragma once

#include <cuda_runtime.h>

namespace sub1quant {

struct Launch {
  cudaStream_t stream = nullptr;
  unsigned max_blocks = 1;  // more would only queue: each block loops until the work is done
};

}  // namespace sub1quant
