#include "quant/eval/torch/file_rows.h"

#include "absl/strings/str_cat.h"
#include "core/check.h"
#include "core/status.h"
#include "quant/eval/torch/tensor_reader.h"
#include "quant/eval/torch/torch_device.h"

namespace sub1quant {

absl::StatusOr<std::unique_ptr<FileRows>> FileRows::Open(ModelSource& model, const TensorRecord& record) {
  SUB1QUANT_ASSIGN_OR_RETURN(const at::ScalarType stored, WeightScalarType(record));
  std::unique_ptr<FileRows> rows(new FileRows(record, stored));
  if (const std::string path = model.LocalPath(record.file); !path.empty()) {
    SUB1QUANT_ASSIGN_OR_RETURN(rows->file_, ReadableFile::Open(path));
  } else {
    rows->model_ = &model;
  }
  return rows;
}

absl::Status FileRows::ReadBytes(uint64_t offset, void* buffer, size_t size) const {
  if (file_ != nullptr) return file_->ReadAt(offset, buffer, size);
  return model_->Read(record_.file, offset, buffer, size);
}

absl::Status FileRows::Read(const std::vector<int64_t>& ids, int64_t first, const at::Tensor& rows) const {
  const int64_t count = rows.size(1);
  SUB1QUANT_CHECK(first >= 0 && first + count <= record_.cols());
  SUB1QUANT_CHECK(rows.is_cpu() && rows.is_contiguous() && rows.scalar_type() == stored_ &&
                  rows.size(0) == static_cast<int64_t>(ids.size()));
  const auto element = static_cast<uint64_t>(DTypeSize(record_.dtype));
  const auto row_bytes = static_cast<uint64_t>(record_.cols()) * element;
  const auto part_bytes = static_cast<uint64_t>(count) * element;
  auto* out = static_cast<uint8_t*>(rows.data_ptr());
  for (const int64_t id : ids) {
    SUB1QUANT_CHECK(id >= 0 && id < record_.rows());
    const uint64_t offset =
        record_.offset + static_cast<uint64_t>(id) * row_bytes + static_cast<uint64_t>(first) * element;
    absl::Status status = ReadBytes(offset, out, part_bytes);
    if (!status.ok()) return Annotate(status, absl::StrCat("row ", id, " of tensor '", record_.key, "'"));
    out += part_bytes;
  }
  return absl::OkStatus();
}

absl::StatusOr<at::Tensor> FileRows::Gather(const std::vector<int64_t>& ids, int64_t first, int64_t count,
                                            const at::TensorOptions& options) const {
  const at::Tensor rows = StagingTensor({static_cast<int64_t>(ids.size()), count}, stored_, options.device());
  SUB1QUANT_RETURN_IF_ERROR(Read(ids, first, rows));
  return rows.to(options, /*non_blocking=*/!options.device().is_cpu());
}

}  // namespace sub1quant
