// A device behind the module's door.
#pragma once

#include "quant/device/module.h"

namespace sub1quant {

ModuleResult CountCudaDevices(int32_t* count);
ModuleResult OpenCudaDevice(int32_t index, uint64_t slot_bytes, ModuleDevice** device);

}  // namespace sub1quant
