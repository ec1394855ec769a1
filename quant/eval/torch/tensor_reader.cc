#include "quant/eval/torch/tensor_reader.h"

#include <ATen/ops/empty.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/status.h"

namespace sub1quant {
namespace {

constexpr int64_t kBufferBytes = int64_t{16} << 20;

}  // namespace

absl::StatusOr<at::ScalarType> WeightScalarType(const TensorRecord& record) {
  switch (record.dtype) {
    case DType::kBF16:
      return at::kBFloat16;
    case DType::kF16:
      return at::kHalf;
    case DType::kF32:
      return at::kFloat;
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("tensor '", record.key, "' is ", DTypeName(record.dtype), "; weights must be BF16, F16 or F32"));
  }
}

absl::StatusOr<at::Tensor> ReadTensor(ModelSource& model, const TensorRecord& record,
                                      const at::TensorOptions& options) {
  SUB1QUANT_ASSIGN_OR_RETURN(const at::ScalarType stored, WeightScalarType(record));
  at::Tensor tensor = at::empty(record.shape, options);
  const at::Tensor flat = tensor.view(-1);
  const int64_t element_bytes = DTypeSize(record.dtype), count = flat.numel();
  const at::Tensor buffer = at::empty({std::min(count, kBufferBytes / element_bytes)}, stored);
  for (int64_t done = 0; done < count; done += buffer.numel()) {
    const int64_t part = std::min(buffer.numel(), count - done);
    const uint64_t offset = record.offset + static_cast<uint64_t>(done * element_bytes);
    absl::Status status = model.Read(record.file, offset, buffer.data_ptr(), static_cast<size_t>(part * element_bytes));
    if (!status.ok()) return Annotate(status, absl::StrCat("tensor '", record.key, "'"));
    flat.narrow(0, done, part).copy_(buffer.narrow(0, 0, part));
  }
  return tensor;
}

}  // namespace sub1quant
