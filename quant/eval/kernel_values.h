// What the kernels of scoring work on. Plain data, the same in host and device memory.
#pragma once

#include <cstdint>

namespace sub1quant {

struct Bfloat16 {
  uint16_t bits;
};

// Soft cap and log-sum-exp of one row of logits, a tile of the vocabulary at a time.
struct RunningLogSum {
  float max;     // -infinity before the first tile
  float sum;     // of exp(logit - max)
  float target;  // logit of `label`, once its tile was there
  int64_t label;
};

}  // namespace sub1quant
