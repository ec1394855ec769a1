// The kernels of scoring behind the module's door.
#pragma once

#include "quant/eval/score_launches.h"

namespace sub1quant {

class CudaScoreLaunches final : public ScoreLaunches {
 public:
  CudaScoreLaunches(int index, unsigned max_blocks) : index_(index), max_blocks_(max_blocks) {}

  const char* RmsNorm(ScoreType type, const void* x, const float* weight, float eps, int64_t rows, int64_t width,
                      void* out, void* stream) const override;
  const char* AddRmsNorm(ScoreType type, void* x, const void* y, const float* weight, float eps, float factor,
                         int64_t rows, int64_t width, void* stream) const override;
  const char* GatedGelu(ScoreType type, void* gate, const void* up, int64_t up_stride, int64_t rows, int64_t width,
                        void* stream) const override;
  const char* Rope(ScoreType type, void* x, const void* cos, const void* sin, int64_t rows, int64_t heads,
                   int64_t positions, int64_t half, void* stream) const override;
  const char* BeginLogSums(const int64_t* labels, int64_t rows, RunningLogSum* sums, void* stream) const override;
  const char* FoldLogits(ScoreType type, const void* logits, int64_t rows, int64_t count, int64_t begin, float cap,
                         RunningLogSum* sums, void* stream) const override;
  const char* Losses(const RunningLogSum* sums, int64_t rows, float* losses, void* stream) const override;

 private:
  template <typename Body>
  const char* Start(void* stream, const Body& body) const;

  int index_;
  unsigned max_blocks_;
};

}  // namespace sub1quant
