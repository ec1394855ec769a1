// The device module compiled for the CPU, opened as a worker opens the real one.
#pragma once

#include <memory>
#include <string>

#include "quant/device/device.h"

namespace sub1quant::testing {

inline std::string ModulePath(const std::string& name) {
  return std::string(CUDA_ON_HOST_MODULES) + "/" + name + ".so";
}

// Small buffers: a matrix takes many blocks of rows.
constexpr uint64_t kTestSlotBytes = 32 * 1024;

inline std::unique_ptr<KernelDevice> OpenHostDevice(const std::string& module = "right",
                                                    uint64_t slot_bytes = kTestSlotBytes) {
  return DeviceLibrary::Load(ModulePath(module)).value().Open(0, slot_bytes).value();
}

}  // namespace sub1quant::testing
