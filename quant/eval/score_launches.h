// Starting the kernels of scoring for code that knows no CUDA: what lies between LibTorch's tensors and the device
// module. Plain data and virtual calls; quant/eval/cuda/score_kernels.h says what each kernel does.
#pragma once

#include <cstdint>

#include "quant/eval/kernel_values.h"

namespace sub1quant {

// Of values in memory; arithmetic is float32. Do not renumber.
enum class ScoreType : int32_t { kFloat32 = 0, kBfloat16 = 1 };

// The kernels of one device. Pointers are to its memory and stay the caller's; `stream` is a cudaStream_t of it, null
// for the default stream. A call puts one kernel into the stream and returns: nullptr, or the name of the CUDA error
// that kept it from starting. Thread-safe.
class ScoreLaunches {
 public:
  virtual const char* RmsNorm(ScoreType type, const void* x, const float* weight, float eps, int64_t rows,
                              int64_t width, void* out, void* stream) const = 0;
  virtual const char* AddRmsNorm(ScoreType type, void* x, const void* y, const float* weight, float eps, float factor,
                                 int64_t rows, int64_t width, void* stream) const = 0;
  virtual const char* GatedGelu(ScoreType type, void* gate, const void* up, int64_t up_stride, int64_t rows,
                                int64_t width, void* stream) const = 0;
  virtual const char* Rope(ScoreType type, void* x, const void* cos, const void* sin, int64_t rows, int64_t heads,
                           int64_t positions, int64_t half, void* stream) const = 0;
  virtual const char* BeginLogSums(const int64_t* labels, int64_t rows, RunningLogSum* sums, void* stream) const = 0;
  virtual const char* FoldLogits(ScoreType type, const void* logits, int64_t rows, int64_t count, int64_t begin,
                                 float cap, RunningLogSum* sums, void* stream) const = 0;
  virtual const char* Losses(const RunningLogSum* sums, int64_t rows, float* losses, void* stream) const = 0;

 protected:
  ~ScoreLaunches() = default;
};

}  // namespace sub1quant
