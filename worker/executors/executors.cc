#include "worker/executors/executors.h"

#include <utility>

#include "core/status.h"

namespace sub1quant {
namespace {

template <typename Result>
absl::StatusOr<TaskResult> Widen(absl::StatusOr<Result> result) {
  if (!result.ok()) return result.status();
  return TaskResult(*std::move(result));
}

}  // namespace

absl::StatusOr<TaskResult> TaskExecutors::Execute(const Task& task, TaskContext& context) {
  const auto* search = std::get_if<SearchTask>(&task);
  const auto* pack = std::get_if<PackTask>(&task);
  if (search == nullptr && pack == nullptr) return ExecuteAlone(task, context);
  const std::shared_lock<std::shared_mutex> lock(together_);
  if (search != nullptr) return Widen(search_.Execute(*search, context));
  return Widen(pack_.Execute(*pack, context));
}

absl::StatusOr<TaskResult> TaskExecutors::ExecuteAlone(const Task& task, TaskContext& context) {
  const std::lock_guard<std::shared_mutex> lock(together_);
  SUB1QUANT_RETURN_IF_ERROR(context.Check());
  tensors_.Trim();  // a model needs the room
  const auto* score = std::get_if<ScoreTask>(&task);
  absl::StatusOr<TaskResult> result = score != nullptr ? Widen(score_.Execute(*score, context))
                                                       : Widen(export_.Execute(std::get<ExportTask>(task), context));
  const std::lock_guard<std::mutex> loaded_lock(loaded_mutex_);
  loaded_model_ = score_.LoadedModel();
  return result;
}

std::string TaskExecutors::LoadedModel() const {
  const std::lock_guard<std::mutex> lock(loaded_mutex_);
  return loaded_model_;
}

}  // namespace sub1quant
