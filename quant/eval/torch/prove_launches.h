// The self-proof of the kernels of scoring: before a worker uses them, they must give what LibTorch's operators give on
// the CPU. exp and tanh of a device may be two units in the last place off, so this is no comparison of bits: float32
// values within 4 millionths, bfloat16 values within one unit and nearly all of them equal.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "quant/eval/score_launches.h"

namespace sub1quant {

struct ScoreKernelRefusal {
  std::string kernel;  // rms_norm_float32, …
  std::string why;
};

// Empty if all agree. `device`: where `launches` work, as torch names it. As IsScoringDeviceLost if the device fails on
// the way. After OpenTorchDevice.
absl::StatusOr<std::vector<ScoreKernelRefusal>> ProveScoreLaunches(const ScoreLaunches& launches,
                                                                   const std::string& device);

}  // namespace sub1quant
