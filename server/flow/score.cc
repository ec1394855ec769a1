#include "server/flow/score.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "core/status.h"
#include "quant/eval/aggregate.h"
#include "server/flow/action_key.h"

namespace sub1quant {
namespace {

constexpr double kTaskSeconds = 5;
// A device scores four windows of 512 tokens in one batch (quant/eval/torch/device_run.h): tasks are multiples of it.
constexpr int64_t kMinWindows = 4, kMaxWindows = 32;

void PlanProtocol(const ScoreTask& prototype, const Inspection& inspection, int64_t windows,
                  std::vector<PlannedTask>* tasks) {
  const double wanted = kTaskSeconds / std::max(inspection.window_seconds, 1e-6);
  const int64_t step =
      std::clamp(static_cast<int64_t>(std::min(wanted, 1e6)), kMinWindows, kMaxWindows) / kMinWindows * kMinWindows;
  for (int64_t first = 0; first < windows; first += step) {
    ScoreTask task = prototype;
    task.first = first;
    task.count = std::min(step, windows - first);
    PlannedTask planned;
    planned.cost = inspection.window_seconds * static_cast<double>(task.count);
    planned.affinity = absl::StrCat(task.model_identity, "/", task.manifest_sha256);
    planned.description = absl::StrCat(task.bos_per_window ? "bos_per_window" : "published", " windows ", first, "-",
                                       first + task.count - 1);
    planned.task = std::move(task);
    planned.action_key = ActionKeyOf(planned.task);
    tasks->push_back(std::move(planned));
  }
}

int64_t TokensOf(const Inspection& inspection, const ScoreTask& task) {
  const int64_t step = task.bos_per_window ? task.window - 1 : task.stride;
  const int64_t total = inspection.token_count - (task.bos_per_window ? 1 : 0);
  int64_t tokens = 0;
  for (int64_t i = task.first; i < task.first + task.count; ++i) {
    const int64_t length = task.bos_per_window ? step : task.window;
    tokens += std::min(length, total - i * step) + (task.bos_per_window ? 1 : 0);
  }
  return tokens;
}

}  // namespace

std::vector<PlannedTask> PlanScore(const JobSpecification& specification, const Inspection& inspection,
                                   const std::string& manifest_sha256) {
  ScoreTask prototype;
  prototype.model = {specification.model_root, specification.model_path};
  prototype.model_identity = inspection.model_identity;
  prototype.manifest_sha256 = manifest_sha256;
  prototype.tokens_sha256 = inspection.tokens_sha256;
  prototype.window = specification.window;
  prototype.stride = specification.stride;
  prototype.dtype = specification.dtype;
  std::vector<PlannedTask> tasks;
  PlanProtocol(prototype, inspection, inspection.published_windows, &tasks);
  prototype.bos_per_window = true;
  prototype.stride = specification.window;  // the protocol has no stride: one key whatever was asked for the other
  PlanProtocol(prototype, inspection, inspection.bos_windows, &tasks);
  return tasks;
}

absl::StatusOr<Evaluation> FoldScores(const Inspection& inspection, const JobSpecification& specification,
                                      const std::vector<ScoredTask>& scored) {
  Evaluation evaluation;
  std::vector<WindowScore> published, bos_per_window;
  for (const auto& [task, result] : scored) {
    if (!evaluation.dtype.empty() && evaluation.dtype != result.dtype)
      return absl::FailedPreconditionError(absl::StrCat("windows were scored in ", evaluation.dtype, " and in ",
                                                        result.dtype, " by different workers; name one with --dtype"));
    evaluation.dtype = result.dtype;
    evaluation.device = result.device;
    evaluation.seconds += result.seconds;
    evaluation.tokens += TokensOf(inspection, task);
    evaluation.replaced = result.replaced;
    evaluation.skipped = result.skipped;
    evaluation.missing = result.missing;
    evaluation.shape_mismatches = result.shape_mismatches;
    auto& windows = task.bos_per_window ? bos_per_window : published;
    windows.insert(windows.end(), result.windows.begin(), result.windows.end());
  }
  if (specification.published_protocol) {
    SUB1QUANT_ASSIGN_OR_RETURN(evaluation.published, AggregatePublished(std::move(published)));
  }
  if (specification.bos_per_window_protocol) {
    SUB1QUANT_ASSIGN_OR_RETURN(evaluation.bos_per_window, AggregateBosPerWindow(std::move(bos_per_window)));
  }
  return evaluation;
}

}  // namespace sub1quant
