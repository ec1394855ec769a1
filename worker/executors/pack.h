// pack: one matrix in its chosen format → a blob that is in the store before the result is reported.
#pragma once

#include "worker/executors/resources.h"
#include "worker/executors/tensor_loader.h"

namespace sub1quant {

class PackExecutor {
 public:
  explicit PackExecutor(const Resources& resources) : resources_(resources) {}
  absl::StatusOr<PackResult> Execute(const PackTask& task, TaskContext& context);

 private:
  Resources resources_;
  TensorLoader loader_;
};

}  // namespace sub1quant
