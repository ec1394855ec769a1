// The device module compiled for the CPU, opened as a worker opens the real one.
#pragma once

#include <dlfcn.h>

#include <memory>
#include <string>

#include "core/check.h"

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

// Makes the runtime of the module `right` fail after so many calls, with cudaErrorLaunchFailure, until the end of this
// object's life.
class PlantedFailure {
 public:
  explicit PlantedFailure(int64_t calls, const std::string& module = "right") : module_(module) { Set(calls); }
  ~PlantedFailure() { Set(-1); }
  PlantedFailure(const PlantedFailure&) = delete;
  PlantedFailure& operator=(const PlantedFailure&) = delete;

 private:
  void Set(int64_t calls) {
    void* library = dlopen(ModulePath(module_).c_str(), RTLD_NOW | RTLD_LOCAL);
    SUB1QUANT_CHECK(library != nullptr);
    void* symbol = dlsym(library, "CudaOnHostFailAfter");
    SUB1QUANT_CHECK(symbol != nullptr);
    reinterpret_cast<void (*)(int64_t, int)>(symbol)(calls, 719);
  }
  std::string module_;
};

}  // namespace sub1quant::testing
