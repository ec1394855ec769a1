// Rows of an embedding table that stays in its file and are gathered for each window; embed_tokens_per_layer is half of
// the parameters of the published model. Private to this folder.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "core/file.h"
#include "quant/model/model_source.h"
#include "quant/model/tensor.h"

namespace sub1quant {

// Thread-safe. Rows are read (pread, page cache) rather than touched in a mapping: a file cut short under us is then an
// error and not a SIGBUS, and what was read does not count as resident.
class FileRows {
 public:
  // Keeps the file open if `model` has a local path for it; else reads through `model`, which must then outlive this
  // object.
  static absl::StatusOr<std::unique_ptr<FileRows>> Open(ModelSource& model, const TensorRecord& record);

  at::ScalarType stored() const { return stored_; }
  int64_t cols() const { return record_.cols(); }
  // Columns of the rows `ids` from `first` on, as many as `rows` has: contiguous, on the CPU, of the stored type. Every
  // id is inside the table.
  absl::Status Read(const std::vector<int64_t>& ids, int64_t first, const at::Tensor& rows) const;
  // Columns [first, first + count) of the rows `ids`, in `options`.
  absl::StatusOr<at::Tensor> Gather(const std::vector<int64_t>& ids, int64_t first, int64_t count,
                                    const at::TensorOptions& options) const;

 private:
  FileRows(TensorRecord record, at::ScalarType stored) : record_(std::move(record)), stored_(stored) {}

  absl::Status ReadBytes(uint64_t offset, void* buffer, size_t size) const;

  TensorRecord record_;
  at::ScalarType stored_;
  std::unique_ptr<ReadableFile> file_;  // exactly one of these two is set
  ModelSource* model_ = nullptr;
};

}  // namespace sub1quant
