// export: a manifest's blobs → one checkpoint file as a blob ("pt": the published layout).
#pragma once

#include <optional>

#include "quant/artifact/manifest.h"
#include "worker/executors/resources.h"

namespace sub1quant {

class ExportExecutor {
 public:
  explicit ExportExecutor(const Resources& resources) : resources_(resources) {}
  absl::StatusOr<ExportResult> Execute(const ExportTask& task, TaskContext& context);

 private:
  // Of one task.
  struct Run {
    const ExportTask& task;
    const Manifest& manifest;
    TaskContext& context;
    std::optional<TensorInventory> inventory;  // read when the first matrix is encoded again
  };
  absl::StatusOr<EncodedMatrix> Matrix(Run& run, size_t i);
  absl::StatusOr<EncodedMatrix> EncodeAgain(Run& run, const ManifestTensor& tensor);

  Resources resources_;
};

}  // namespace sub1quant
