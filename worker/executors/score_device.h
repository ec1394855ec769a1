// Where scoring runs: on the worker's device if this LibTorch can compute there, else on the CPU.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "quant/eval/score_launches.h"
#include "worker/device.h"

namespace sub1quant {

struct ScoreDevice {
  std::string torch_name = "cpu";
  const ScoreLaunches* launches = nullptr;           // null: LibTorch's operators between the products
  uint64_t memory_bytes = 0;                         // that scoring may take of the device; 0: of the host
  std::function<void(const std::string& why)> lost;  // as of DeviceEvents; not called for the CPU
};

// Opens LibTorch on the device and lets the kernels of scoring prove themselves. Log and `events` hear of what is
// refused: a kernel that differs, then LibTorch's operators take the place of all; or LibTorch itself. Uses of
// `device.launches`: until `device` is gone. After InitializeTorch.
ScoreDevice ChooseScoreDevice(const Device& device, const DeviceEvents& events);

}  // namespace sub1quant
