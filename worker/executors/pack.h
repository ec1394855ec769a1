// pack: one matrix in its chosen format → a blob that is in the store before the result is reported.
#pragma once

#include "worker/executors/resources.h"

namespace sub1quant {

// Thread-safe.
class PackExecutor {
 public:
  explicit PackExecutor(const Resources& resources) : resources_(resources) {}
  absl::StatusOr<PackResult> Execute(const PackTask& task, TaskContext& context);

 private:
  absl::StatusOr<EncodedMatrix> Encode(const PackTask& task, const Codec& codec, TaskContext& context,
                                       std::string* tensor_sha256);
  absl::StatusOr<BlobStore::Writer::Blob> Store(const EncodedMatrix& encoded);

  Resources resources_;
};

}  // namespace sub1quant
