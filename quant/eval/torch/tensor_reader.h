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

// Rows of a 2-D `record` beginning at `first_row`, as many as `target` has, rounded to `compute`, then to the type of
// `target`. Plain reads through a small buffer rather than a mapping: pages of a mapping would count as resident beside
// the copy.
absl::Status ReadRows(ModelSource& model, const TensorRecord& record, int64_t first_row, at::ScalarType compute,
                      const at::Tensor& target);

// A small tensor of any shape, whole.
absl::StatusOr<at::Tensor> ReadTensor(ModelSource& model, const TensorRecord& record);

// target ← source rounded to `compute`, then to the type of `target`. Of a target on a device `compute` is the type,
// and `source` comes from StagingTensor: values are converted there, and nobody waits for it.
void CopyRounded(const at::Tensor& source, at::ScalarType compute, const at::Tensor& target);

}  // namespace sub1quant
