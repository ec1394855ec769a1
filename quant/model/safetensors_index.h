// model.safetensors.index.json: which file holds which tensor.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace sub1quant {

// (key, file name) of `weight_map` in file order; keys are unique. `metadata` is ignored. File names are data: look
// them up among the files that are there, never open them.
absl::StatusOr<std::vector<std::pair<std::string, std::string>>> ParseSafetensorsIndex(const std::string& json_text);

}  // namespace sub1quant
