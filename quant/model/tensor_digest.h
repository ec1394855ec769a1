// SHA-256 of a tensor's bytes as the model has them.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "quant/model/model_source.h"
#include "quant/model/tensor.h"

namespace sub1quant {

// Reads the tensor once, 4 MiB at a time.
absl::StatusOr<std::string> TensorSha256(ModelSource& model, const TensorRecord& tensor);

}  // namespace sub1quant
