// --device: which device this worker computes on, and what becomes of a worker whose device fails.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "quant/device/matrix_coder.h"

namespace sub1quant {

// A sticky CUDA error cannot be cleared in the process that has it: whoever runs the worker starts it again.
constexpr int kExitDeviceLost = 75;

struct Device {
  std::string torch_name;   // "cpu", "cuda:0"
  std::string description;  // for people: "cpu", "cuda:0 (NVIDIA L4)"
  std::unique_ptr<MatrixCoder> coder;
  const ScoreLaunches* launches = nullptr;  // kernels of scoring, unproven, while `coder` lives; null: the CPU
};

// Where an installed or built worker has its device module: ../lib/sub1quant beside its own folder.
std::string DeviceModulePath();

// auto, cpu, cuda or cuda:I; auto takes the first device if module, driver and device are there, else the CPU. The
// kernels of a device prove themselves first; `events` hears of those that fail. InvalidArgument for another word;
// FailedPrecondition if a device that is named cannot be had.
absl::StatusOr<Device> ChooseDevice(const std::string& option, const std::string& module_path,
                                    const DeviceEvents& events);

// The `lost` of a worker's DeviceEvents: ends the process at once. Nothing that it computes is published any more; its
// leases expire.
[[noreturn]] void ExitForLostDevice(const std::string& why);

}  // namespace sub1quant
