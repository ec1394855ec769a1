#include "quant/eval/torch/tensor_reader.h"

#include <ATen/ops/empty.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/status.h"
#include "quant/eval/torch/torch_device.h"

namespace sub1quant {
namespace {

// Stays in the second cache between the read and the widening.
constexpr int64_t kBufferBytes = int64_t{1} << 20;
// Copies of this size reach the rate of the bus.
constexpr int64_t kDeviceBufferBytes = int64_t{16} << 20;

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

void CopyRounded(const at::Tensor& source, at::ScalarType compute, const at::Tensor& target) {
  // float32 holds every weight type exactly.
  const bool exact = compute == at::kFloat || source.scalar_type() == compute || target.scalar_type() == compute;
  target.copy_(exact ? source : source.to(compute), /*non_blocking=*/!target.is_cpu());
}

absl::Status ReadRows(ModelSource& model, const TensorRecord& record, int64_t first_row, at::ScalarType compute,
                      const at::Tensor& target) {
  SUB1QUANT_ASSIGN_OR_RETURN(const at::ScalarType stored, WeightScalarType(record));
  const auto row_bytes = static_cast<uint64_t>(record.cols() * DTypeSize(record.dtype));
  const int64_t rows = target.size(0);
  const auto read = [&](int64_t row, int64_t count, void* to) -> absl::Status {
    const uint64_t offset = record.offset + static_cast<uint64_t>(first_row + row) * row_bytes;
    return Annotate(model.Read(record.file, offset, to, static_cast<size_t>(count) * row_bytes),
                    absl::StrCat("tensor '", record.key, "'"));
  };
  if (target.is_cpu() && target.scalar_type() == stored) return read(0, rows, target.data_ptr());
  const int64_t bytes = target.is_cpu() ? kBufferBytes : kDeviceBufferBytes;
  const int64_t step = std::max<int64_t>(1, bytes / static_cast<int64_t>(row_bytes));
  if (!target.is_cpu()) {
    // Converted on the device; the next block is read while this one is copied.
    for (int64_t row = 0; row < rows; row += step) {
      const int64_t count = std::min(step, rows - row);
      const at::Tensor block = StagingTensor({count, record.cols()}, stored, target.device());
      SUB1QUANT_RETURN_IF_ERROR(read(row, count, block.data_ptr()));
      CopyRounded(block, compute, target.narrow(0, row, count));
    }
    return absl::OkStatus();
  }
  const at::Tensor buffer = at::empty({std::min(rows, step), record.cols()}, stored);
  for (int64_t row = 0; row < rows; row += step) {
    const int64_t count = std::min(step, rows - row);
    SUB1QUANT_RETURN_IF_ERROR(read(row, count, buffer.data_ptr()));
    CopyRounded(buffer.narrow(0, 0, count), compute, target.narrow(0, row, count));
  }
  return absl::OkStatus();
}

absl::StatusOr<at::Tensor> ReadTensor(ModelSource& model, const TensorRecord& record) {
  SUB1QUANT_ASSIGN_OR_RETURN(const at::ScalarType stored, WeightScalarType(record));
  at::Tensor tensor = at::empty(record.shape, stored);
  absl::Status status = model.Read(record.file, record.offset, tensor.data_ptr(), record.bytes);
  if (!status.ok()) return Annotate(status, absl::StrCat("tensor '", record.key, "'"));
  return tensor;
}

}  // namespace sub1quant
