// All kinds of tasks behind one Executor. Thread-safe: search and pack run beside one another, scoring and export
// alone.
#pragma once

#include <mutex>
#include <shared_mutex>
#include <string>

#include "worker/executor.h"
#include "worker/executors/export.h"
#include "worker/executors/pack.h"
#include "worker/executors/score.h"
#include "worker/executors/search.h"

namespace sub1quant {

class TaskExecutors final : public Executor {
 public:
  TaskExecutors(const Resources& resources, const ScoreDevice& device = {})
      : tensors_(resources.tensors),
        search_(resources),
        pack_(resources),
        score_(resources, device),
        export_(resources) {}

  absl::StatusOr<TaskResult> Execute(const Task& task, TaskContext& context) override;
  std::string LoadedModel() const override;

 private:
  absl::StatusOr<TaskResult> ExecuteAlone(const Task& task, TaskContext& context);

  TensorLoader& tensors_;
  std::shared_mutex together_;  // shared: search, pack; alone: score_, export_
  SearchExecutor search_;
  PackExecutor pack_;
  ScoreExecutor score_;
  ExportExecutor export_;
  mutable std::mutex loaded_mutex_;
  std::string loaded_model_;  // of score_, as of the last task; guarded by loaded_mutex_
};

}  // namespace sub1quant
