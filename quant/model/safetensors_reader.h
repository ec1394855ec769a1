// Inside this folder: reading a header when the size of the file is known already.
#pragma once

#include "quant/model/safetensors.h"

namespace sub1quant {

absl::StatusOr<SafetensorsHeader> ReadSafetensorsHeaderOfSize(ModelSource& source, const std::string& file,
                                                              uint64_t file_size);

}  // namespace sub1quant
