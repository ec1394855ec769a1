// What the module exports.
#include "quant/device/cuda/cuda_device.h"

extern "C" __attribute__((visibility("default"))) const sub1quant::DeviceModule* Sub1quantDeviceModule() {
  static constexpr sub1quant::DeviceModule kModule{sub1quant::kDeviceModuleAbi, sub1quant::CountCudaDevices,
                                                   sub1quant::OpenCudaDevice};
  return &kModule;
}
