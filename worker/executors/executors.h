// All kinds of tasks behind one Executor.
#pragma once

#include "worker/executor.h"
#include "worker/executors/export.h"
#include "worker/executors/pack.h"
#include "worker/executors/score.h"
#include "worker/executors/search.h"

namespace sub1quant {

class TaskExecutors final : public Executor {
 public:
  TaskExecutors(const Resources& resources, const std::string& device)
      : search_(resources), pack_(resources), score_(resources, device), export_(resources) {}

  absl::StatusOr<TaskResult> Execute(const Task& task, TaskContext& context) override;
  std::string LoadedModel() const override { return score_.LoadedModel(); }

 private:
  SearchExecutor search_;
  PackExecutor pack_;
  ScoreExecutor score_;
  ExportExecutor export_;
};

}  // namespace sub1quant
