#include "quant/eval/torch/scorer.h"

#include <ATen/Parallel.h>
#include <ATen/ops/tensor.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/parallel.h"
#include "core/status.h"
#include "quant/eval/torch/forward.h"
#include "quant/eval/torch/guard.h"
#include "quant/eval/torch/head_loss.h"
#include "quant/eval/torch/weights.h"

namespace sub1quant {
namespace {

constexpr uint64_t kMaxConfigBytes = 16 << 20;

absl::StatusOr<at::Device> ParseDevice(const std::string& name) {
  try {
    return at::Device(name);
  } catch (const std::exception&) {
    return absl::InvalidArgumentError(
        absl::StrCat("device '", name, "' is no LibTorch device; for example cpu or cuda:0"));
  }
}

absl::StatusOr<at::ScalarType> ParseComputeType(const std::string& name, const at::Device& device) {
  if (name == "float32" || (name == "auto" && device.is_cpu())) return at::kFloat;
  if (name == "bfloat16" || name == "auto") return at::kBFloat16;
  return absl::InvalidArgumentError(absl::StrCat("dtype '", name, "' is none of auto, float32, bfloat16"));
}

std::vector<float> ToFloats(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.to(at::kCPU, at::kFloat).contiguous();
  const auto* data = static_cast<const float*>(flat.const_data_ptr());
  return std::vector<float>(data, data + flat.numel());
}

absl::Status CheckWindow(const Window& window, int64_t tokens) {
  if (window.begin < 0 || window.begin > window.end || window.end > tokens) {
    return absl::InvalidArgumentError(
        absl::StrCat("window [", window.begin, ",", window.end, ") is not inside the ", tokens, " tokens"));
  }
  const int64_t predictions = window.end - window.begin + (window.prepend_bos ? 1 : 0) - 1;
  if (window.targets < 1 || window.targets > predictions) {
    return absl::InvalidArgumentError(absl::StrCat("window [", window.begin, ",", window.end, ") has ", predictions,
                                                   " predictions; it cannot score ", window.targets));
  }
  return absl::OkStatus();
}

// Calls `progress` with the growing number of finished windows, one call at a time.
class Progress {
 public:
  explicit Progress(const std::function<bool(int64_t)>& report) : report_(report) {}
  absl::Status WindowDone() {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++done_;
    if (report_ && !report_(done_)) return absl::CancelledError("scoring was stopped");
    return absl::OkStatus();
  }

 private:
  const std::function<bool(int64_t)>& report_;
  std::mutex mutex_;
  int64_t done_ = 0;
};

class TorchScorer : public Scorer {
 public:
  TorchScorer(Gemma4Config config, std::unique_ptr<Gemma4Weights> weights, const ScorerOptions& options)
      : config_(std::move(config)),
        weights_(std::move(weights)),
        threads_(options.threads),
        dtype_(weights_->dtype() == at::kFloat ? "float32" : "bfloat16"),
        device_(weights_->options.device().str()) {}

  absl::StatusOr<std::vector<WindowScore>> Score(const std::vector<int32_t>& tokens, const std::vector<Window>& windows,
                                                 int64_t first_index,
                                                 const std::function<bool(int64_t)>& report) override {
    for (const Window& window : windows)
      SUB1QUANT_RETURN_IF_ERROR(CheckWindow(window, static_cast<int64_t>(tokens.size())));
    std::vector<WindowScore> scores(windows.size());
    Progress progress(report);
    SUB1QUANT_RETURN_IF_ERROR(
        ParallelFor(threads_, static_cast<int64_t>(windows.size()), [&](int64_t i) -> absl::Status {
          absl::StatusOr<WindowScore> score = GuardTorch([&] { return ScoreWindow(tokens, windows[i]); });
          if (!score.ok()) return Annotate(score.status(), absl::StrCat("window ", first_index + i));
          scores[i] = *std::move(score);
          scores[i].index = first_index + i;
          return progress.WindowDone();
        }));
    return scores;
  }

  absl::StatusOr<Trace> TraceSequence(const std::vector<int32_t>& ids) override {
    return GuardTorch([&] { return TraceInside(ids); });
  }

  const ApplyStats& apply_stats() const override { return weights_->apply_stats; }
  const std::string& dtype() const override { return dtype_; }
  const std::string& device() const override { return device_; }

 private:
  // `ids` as the embeddings see them.
  absl::StatusOr<std::vector<int64_t>> EmbeddedIds(const std::vector<int64_t>& ids) const {
    int64_t limit = config_.vocab_size;
    if (weights_->per_layer_rows != nullptr) limit = std::min(limit, config_.vocab_size_per_layer_input);
    std::vector<int64_t> embedded = ids;
    for (int64_t& id : embedded) {
      if (id < 0 || id >= limit) {
        return absl::InvalidArgumentError(absl::StrCat("token id ", id, " is not inside the vocabulary of ", limit));
      }
      const auto& replaced = config_.replaced_token_ids;
      if (std::find(replaced.begin(), replaced.end(), id) != replaced.end()) id = config_.pad_token_id;
    }
    return embedded;
  }

  absl::StatusOr<at::Tensor> Hidden(const std::vector<int64_t>& ids, const Observer& observer) const {
    SUB1QUANT_ASSIGN_OR_RETURN(const std::vector<int64_t> embedded, EmbeddedIds(ids));
    return Forward(config_, *weights_, embedded, observer);
  }

  // -ln p of the last `targets` ids.
  std::vector<float> Losses(const at::Tensor& hidden, const std::vector<int64_t>& ids, int64_t targets) const {
    const at::Tensor labels = at::tensor(ids).to(weights_->options.device());
    const int64_t first = labels.size(0) - targets;
    return ToFloats(NegativeLogLikelihood(config_, *weights_, hidden.narrow(0, first - 1, targets),
                                          labels.narrow(0, first, targets)));
  }

  absl::StatusOr<WindowScore> ScoreWindow(const std::vector<int32_t>& tokens, const Window& window) const {
    const c10::InferenceMode inference;
    at::init_num_threads();  // this thread inherits the one intra-op thread of InitializeTorch
    std::vector<int64_t> ids;
    if (window.prepend_bos) ids.push_back(tokens.front());
    ids.insert(ids.end(), tokens.begin() + window.begin, tokens.begin() + window.end);
    SUB1QUANT_ASSIGN_OR_RETURN(const at::Tensor hidden, Hidden(ids, Observer()));
    WindowScore score;
    score.scored = window.targets;
    score.weight = window.weight;
    for (const double loss : Losses(hidden, ids, window.targets)) {
      if (!std::isfinite(loss)) return absl::FailedPreconditionError("the loss is not a finite number");
      score.nll.Add(loss);
      score.nll_squared.Add(loss * loss);
    }
    return score;
  }

  absl::StatusOr<Trace> TraceInside(const std::vector<int32_t>& tokens) const {
    const c10::InferenceMode inference;
    at::init_num_threads();
    Trace trace;
    const Observer keep = [&](const std::string& name, const at::Tensor& value) {
      trace.rows.emplace_back(name, ToFloats(value));
    };
    const std::vector<int64_t> ids(tokens.begin(), tokens.end());
    if (ids.empty()) return absl::InvalidArgumentError("a sequence needs at least one token");
    SUB1QUANT_ASSIGN_OR_RETURN(const at::Tensor hidden, Hidden(ids, keep));
    keep("logits", Logits(config_, *weights_, hidden, 0, config_.vocab_size));
    if (ids.size() > 1) trace.nll = Losses(hidden, ids, static_cast<int64_t>(ids.size()) - 1);
    return trace;
  }

  const Gemma4Config config_;
  const std::unique_ptr<const Gemma4Weights> weights_;
  const int threads_;
  const std::string dtype_, device_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Scorer>> Scorer::Load(ModelSource& model, const WeightOverlay& overlay,
                                                     const ScorerOptions& options) {
  return GuardTorch([&]() -> absl::StatusOr<std::unique_ptr<Scorer>> {
    const c10::InferenceMode inference;
    SUB1QUANT_ASSIGN_OR_RETURN(const at::Device device, ParseDevice(options.device));
    SUB1QUANT_ASSIGN_OR_RETURN(const at::ScalarType dtype, ParseComputeType(options.dtype, device));
    SUB1QUANT_ASSIGN_OR_RETURN(const std::string text, ReadModelFile(model, "config.json", kMaxConfigBytes));
    SUB1QUANT_ASSIGN_OR_RETURN(Gemma4Config config, ParseGemma4Config(text));
    SUB1QUANT_ASSIGN_OR_RETURN(
        auto weights,
        LoadWeights(model, config, overlay, at::TensorOptions().dtype(dtype).device(device), options.threads));
    return std::make_unique<TorchScorer>(std::move(config), std::move(weights), options);
  });
}

void InitializeTorch() {
  // LibTorch refuses to set the number of inter-op threads a second time.
  static std::once_flag once;
  std::call_once(once, [] {
    at::set_num_threads(1);
    at::set_num_interop_threads(1);
  });
}

}  // namespace sub1quant
