// Bytes of a model file → tensors. Private to this folder.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "absl/status/statusor.h"
#include "quant/model/model_source.h"
#include "quant/model/tensor.h"

namespace sub1quant {

// The LibTorch type of a stored weight: BF16, F16 or F32, else InvalidArgument naming the tensor.
absl::StatusOr<at::ScalarType> WeightScalarType(const TensorRecord& record);

// Reads `record` into a new tensor of `options`. Plain reads through a small buffer rather than a mapping: pages of a
// mapping would count as resident beside the widened copy.
absl::StatusOr<at::Tensor> ReadTensor(ModelSource& model, const TensorRecord& record, const at::TensorOptions& options);

}  // namespace sub1quant
