// What is in a file or directory, as one JSON document, and that document as text.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "core/json.h"

namespace sub1quant {

// "kind" is model, safetensors, artifact or pt. Headers and names only; no weights are read.
absl::StatusOr<Json> InspectPath(const std::string& path);
std::string RenderInspection(const Json& facts);

}  // namespace sub1quant
