#include "worker/executors/score.h"

#include <chrono>
#include <limits>

#include "absl/strings/str_cat.h"
#include "core/status.h"
#include "worker/executors/model_identity.h"
#include "worker/memory.h"

namespace sub1quant {
namespace {

// The task's windows. The plan is made up to the last of them only: what lies behind is another task's concern.
absl::StatusOr<std::vector<Window>> WindowsOf(const ScoreTask& task, int64_t tokens) {
  if (task.first < 0 || task.count < 1 || task.first > std::numeric_limits<int64_t>::max() - task.count) {
    return absl::InvalidArgumentError(absl::StrCat("windows [", task.first, ", +", task.count, ")"));
  }
  const int64_t end = task.first + task.count;
  SUB1QUANT_ASSIGN_OR_RETURN(const std::vector<Window> all, task.bos_per_window
                                                                ? PlanBosPerWindow(tokens, task.window, end)
                                                                : PlanPublished(tokens, task.window, task.stride, end));
  if (static_cast<int64_t>(all.size()) < end) {
    return absl::InvalidArgumentError(absl::StrCat("windows [", task.first, ", ", end, ") of a text of ", all.size()));
  }
  return std::vector<Window>(all.begin() + task.first, all.end());
}

uint64_t InputTokens(const std::vector<Window>& windows) {
  uint64_t tokens = 0;
  for (const Window& window : windows) tokens += static_cast<uint64_t>(window.end - window.begin + window.prepend_bos);
  return tokens;
}

}  // namespace

absl::StatusOr<ScoreResult> ScoreExecutor::Execute(const ScoreTask& task, TaskContext& context) {
  SUB1QUANT_RETURN_IF_ERROR(PrepareTokens(task.tokens_sha256));
  SUB1QUANT_ASSIGN_OR_RETURN(const std::vector<Window> windows, WindowsOf(task, static_cast<int64_t>(tokens_.size())));
  SUB1QUANT_RETURN_IF_ERROR(Reported(Prepare(task)));
  SUB1QUANT_RETURN_IF_ERROR(context.Check());

  const SteadyTime begin = resources_.clock.Now();
  absl::StatusOr<std::vector<WindowScore>> scores =
      loaded_->scorer->Score(tokens_, windows, task.first, [&](double done) {
        context.SetProgress(done);
        return !context.cancelled();
      });
  if (!scores.ok()) return Reported(scores.status());
  if (!loaded_->scorer->in_memory()) {  // the weights were read meanwhile
    SUB1QUANT_RETURN_IF_ERROR(CheckModelIdentity(*loaded_->source, task.model_identity));
  }
  resources_.metrics.Scored(task.manifest_sha256.empty() ? "base" : "quantized", InputTokens(windows), windows.size());

  ScoreResult result;
  result.windows = *std::move(scores);
  result.dtype = loaded_->scorer->dtype();
  result.device = loaded_->scorer->device();
  result.seconds = std::chrono::duration<double>(resources_.clock.Now() - begin).count();
  const ApplyStats& stats = loaded_->scorer->apply_stats();
  result.replaced = stats.replaced;
  result.skipped = stats.skipped;
  result.missing = stats.missing;
  result.shape_mismatches = stats.shape_mismatches;
  return result;
}

absl::Status ScoreExecutor::Reported(const absl::Status& status) const {
  if (IsScoringDeviceLost(status)) device_.lost(std::string(status.message()));
  return status;
}

uint64_t ScoreExecutor::MemoryBytes() const {
  if (resources_.memory_bytes > 0) return resources_.memory_bytes;
  return device_.memory_bytes > 0 ? device_.memory_bytes : AvailableMemory();
}

std::string ScoreExecutor::LoadedModel() const {
  return loaded_ ? absl::StrCat(loaded_->model_identity, "/", loaded_->manifest_sha256) : std::string();
}

absl::Status ScoreExecutor::Prepare(const ScoreTask& task) {
  if (loaded_ && loaded_->model_identity == task.model_identity && loaded_->manifest_sha256 == task.manifest_sha256 &&
      loaded_->dtype == task.dtype) {
    return absl::OkStatus();
  }
  loaded_.reset();  // two models may not fit
  auto next = std::make_unique<Loaded>();
  next->model_identity = task.model_identity;
  next->manifest_sha256 = task.manifest_sha256;
  next->dtype = task.dtype;
  SUB1QUANT_ASSIGN_OR_RETURN(next->source, resources_.models.Open(task.model));
  SUB1QUANT_RETURN_IF_ERROR(CheckModelIdentity(*next->source, task.model_identity));
  WeightOverlay overlay;
  if (!task.manifest_sha256.empty()) {
    SUB1QUANT_ASSIGN_OR_RETURN(const std::string json, resources_.blobs.Get(task.manifest_sha256));
    SUB1QUANT_ASSIGN_OR_RETURN(Manifest manifest, ManifestFromJson(json));
    next->manifest = std::make_unique<Manifest>(std::move(manifest));
    overlay = {next->manifest.get(), &resources_.blobs};
  }
  ScorerOptions options;
  options.dtype = task.dtype;
  options.device = device_.torch_name;
  options.launches = device_.launches;
  options.threads = resources_.cpu.threads();
  options.memory_bytes = MemoryBytes();
  SUB1QUANT_ASSIGN_OR_RETURN(next->scorer, load_(*next->source, overlay, options));
  // Again: the weights were read in between.
  SUB1QUANT_RETURN_IF_ERROR(CheckModelIdentity(*next->source, task.model_identity));
  loaded_ = std::move(next);
  return absl::OkStatus();
}

absl::Status ScoreExecutor::PrepareTokens(const std::string& sha256) {
  if (tokens_sha256_ == sha256) return absl::OkStatus();
  SUB1QUANT_ASSIGN_OR_RETURN(const std::string bytes, resources_.blobs.Get(sha256));
  SUB1QUANT_ASSIGN_OR_RETURN(tokens_, TokensFromBytes(bytes));
  tokens_sha256_ = sha256;
  return absl::OkStatus();
}

}  // namespace sub1quant
