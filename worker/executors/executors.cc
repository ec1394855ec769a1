#include "worker/executors/executors.h"

#include <utility>

namespace sub1quant {
namespace {

template <typename Result>
absl::StatusOr<TaskResult> Widen(absl::StatusOr<Result> result) {
  if (!result.ok()) return result.status();
  return TaskResult(*std::move(result));
}

}  // namespace

absl::StatusOr<TaskResult> TaskExecutors::Execute(const Task& task, TaskContext& context) {
  if (const auto* search = std::get_if<SearchTask>(&task)) return Widen(search_.Execute(*search, context));
  if (const auto* pack = std::get_if<PackTask>(&task)) return Widen(pack_.Execute(*pack, context));
  if (const auto* score = std::get_if<ScoreTask>(&task)) return Widen(score_.Execute(*score, context));
  return Widen(export_.Execute(std::get<ExportTask>(task), context));
}

}  // namespace sub1quant
