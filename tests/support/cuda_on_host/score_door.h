// The launches of scoring (quant/eval/cuda/score_kernels.h) in a module compiled for the CPU, as calls that return when
// the work is done. `blocks`: how many the device takes at a time.
#pragma once

#include <cstdint>

#include "quant/eval/kernel_values.h"

namespace sub1quant {

template <typename T>
struct ScoreCalls {
  void (*rms_norm)(unsigned blocks, const T* x, const float* weight, float eps, int64_t rows, int64_t width, T* out);
  void (*add_rms_norm)(unsigned blocks, T* x, const T* y, const float* weight, float eps, float factor, int64_t rows,
                       int64_t width);
  void (*gated_gelu)(unsigned blocks, T* gate, const T* up, int64_t up_stride, int64_t rows, int64_t width);
  void (*rope)(unsigned blocks, T* x, const T* cos, const T* sin, int64_t rows, int64_t heads, int64_t positions,
               int64_t half);
  void (*fold_logits)(unsigned blocks, const T* logits, int64_t rows, int64_t count, int64_t begin, float cap,
                      RunningLogSum* sums);
};

struct ScoreDoor {
  ScoreCalls<float> float32;
  ScoreCalls<Bfloat16> bfloat16;
  void (*begin_log_sums)(unsigned blocks, const int64_t* labels, int64_t rows, RunningLogSum* sums);
  void (*losses)(unsigned blocks, const RunningLogSum* sums, int64_t rows, float* losses);

  template <typename T>
  const ScoreCalls<T>& of() const {
    if constexpr (sizeof(T) == sizeof(float)) {
      return float32;
    } else {
      return bfloat16;
    }
  }
};

constexpr char kScoreDoorSymbol[] = "CudaOnHostScoreDoor";
using ScoreDoorEntry = const ScoreDoor* (*)();

}  // namespace sub1quant
