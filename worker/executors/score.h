// score: a run of windows under one model. The model stays in memory for the next task; one at a time.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "quant/eval/torch/scorer.h"
#include "worker/executor.h"
#include "worker/executors/resources.h"
#include "worker/executors/score_device.h"

namespace sub1quant {

class ScoreExecutor {
 public:
  using LoadScorer = std::function<absl::StatusOr<std::unique_ptr<Scorer>>(
      ModelSource& model, const WeightOverlay& overlay, const ScorerOptions& options)>;

  // `load` is Scorer::Load but in tests.
  ScoreExecutor(const Resources& resources, ScoreDevice device, LoadScorer load = Scorer::Load)
      : resources_(resources), device_(std::move(device)), load_(std::move(load)) {}

  absl::StatusOr<ScoreResult> Execute(const ScoreTask& task, TaskContext& context);
  // `model_identity/manifest_sha256`, or "".
  std::string LoadedModel() const;

 private:
  // A scorer and what it reads from.
  struct Loaded {
    std::string model_identity, manifest_sha256, dtype;
    std::shared_ptr<ModelSource> source;
    std::unique_ptr<Manifest> manifest;  // null: base model
    std::unique_ptr<Scorer> scorer;
  };
  absl::Status Prepare(const ScoreTask& task);
  absl::Status PrepareTokens(const std::string& sha256);
  // `status`, after `lost` of the device has heard of it if it says so.
  absl::Status Reported(const absl::Status& status) const;
  uint64_t MemoryBytes() const;

  Resources resources_;
  ScoreDevice device_;
  LoadScorer load_;
  std::unique_ptr<Loaded> loaded_;
  std::string tokens_sha256_;
  std::vector<int32_t> tokens_;
};

}  // namespace sub1quant
