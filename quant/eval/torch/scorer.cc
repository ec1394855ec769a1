#include "quant/eval/torch/scorer.h"

#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/parallel.h"
#include "core/status.h"
#include "quant/eval/torch/buffer_pool.h"
#include "quant/eval/torch/device_run.h"
#include "quant/eval/torch/guard.h"
#include "quant/eval/torch/linear.h"
#include "quant/eval/torch/operations.h"
#include "quant/eval/torch/weights.h"
#include "quant/eval/torch/window_run.h"

namespace sub1quant {
namespace {

constexpr uint64_t kMaxConfigBytes = 16 << 20;
// Windows that go through the layers together: for 64 windows of 512 tokens of the published model, hidden states, keys
// and values take 0.6 GB in float32.
constexpr size_t kGroupTokens = 32768;
// The activations of one window in one layer of the published model take less.
constexpr uint64_t kIdleBytesPerThread = uint64_t{128} << 20;

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

// Calls `progress` with the growing fraction of steps, one call at a time.
class Progress {
 public:
  Progress(const std::function<bool(double)>& report, int64_t steps) : report_(report), steps_(steps) {}
  absl::Status Done(int64_t steps) {
    const std::lock_guard<std::mutex> lock(mutex_);
    done_ += steps;
    if (report_ && !report_(static_cast<double>(done_) / static_cast<double>(steps_))) {
      return absl::CancelledError("scoring was stopped");
    }
    return absl::OkStatus();
  }

 private:
  const std::function<bool(double)>& report_;
  const int64_t steps_;
  std::mutex mutex_;
  int64_t done_ = 0;
};

// "cpu", "cuda:0"; "cpu (bfloat16 products)".
std::string DeviceText(const MatrixTypes& types) {
  std::string text = types.device.str();
  if (!types.device.is_cpu() || types.compute == at::kFloat) return text;
  return text + (types.product == at::kFloat ? " (float32 products)" : " (bfloat16 products)");
}

MatrixTypes ChooseTypes(const at::Device& device, at::ScalarType compute) {
  const bool widen = device.is_cpu() && compute == at::kBFloat16 && !FastBfloat16Products();
  return {device, compute, widen ? at::kFloat : compute};
}

std::unique_ptr<Operations> ChooseOperations(const MatrixTypes& types, const ScoreLaunches* launches) {
  if (launches != nullptr) return NewDeviceOperations(*launches, types.compute);
  return types.device.is_cpu() ? NewCpuOperations(types.compute) : NewTorchOperations();
}

class TorchScorer : public Scorer {
 public:
  TorchScorer(Gemma4Config config, std::unique_ptr<Gemma4Weights> weights, const ScorerOptions& options)
      : config_(std::move(config)),
        weights_(std::move(weights)),
        operations_(ChooseOperations(weights_->types(), options.launches)),
        threads_(options.threads),
        batch_rows_(weights_->types().device.is_cpu() && options.launches == nullptr ? 0 : options.batch_rows),
        copies_(NewCopyStream(weights_->types().device)),
        dtype_(weights_->types().compute == at::kFloat ? "float32" : "bfloat16"),
        device_(DeviceText(weights_->types())) {}

  absl::StatusOr<std::vector<WindowScore>> Score(const std::vector<int32_t>& tokens, const std::vector<Window>& windows,
                                                 int64_t first_index,
                                                 const std::function<bool(double)>& report) override {
    std::vector<WindowWork> work;
    for (size_t i = 0; i < windows.size(); ++i) {
      SUB1QUANT_RETURN_IF_ERROR(CheckWindow(windows[i], static_cast<int64_t>(tokens.size())));
      work.emplace_back();
      work.back().index = first_index + static_cast<int64_t>(i);
      if (windows[i].prepend_bos) work.back().ids.push_back(tokens.front());
      work.back().ids.insert(work.back().ids.end(), tokens.begin() + windows[i].begin, tokens.begin() + windows[i].end);
      work.back().targets = windows[i].targets;
    }
    SUB1QUANT_RETURN_IF_ERROR(GuardTorch([&] { return ScoreInGroups(work, report); }));
    std::vector<WindowScore> scores;
    for (size_t i = 0; i < windows.size(); ++i) {
      SUB1QUANT_ASSIGN_OR_RETURN(WindowScore score, Summed(work[i]));
      score.weight = windows[i].weight;
      scores.push_back(score);
    }
    return scores;
  }

  absl::StatusOr<Trace> TraceSequence(const std::vector<int32_t>& ids) override {
    return GuardTorch([&] { return TraceInside(ids); });
  }

  const ApplyStats& apply_stats() const override { return weights_->apply_stats(); }
  const std::string& dtype() const override { return dtype_; }
  const std::string& device() const override { return device_; }
  bool in_memory() const override { return weights_->in_memory(); }

 private:
  // One of the two, as batch_rows_ says.
  struct Buffers {
    explicit Buffers(const std::optional<c10::Stream>& copies) : of_device(copies) {}
    MatrixBuffers of_windows;
    UploadSlots of_device;
  };

  // The window's ids as the embeddings see them.
  absl::Status SetEmbedded(WindowWork& window) const {
    int64_t limit = config_.vocab_size;
    if (weights_->has_per_layer_inputs()) limit = std::min(limit, config_.vocab_size_per_layer_input);
    window.embedded = window.ids;
    for (int64_t& id : window.embedded) {
      if (id < 0 || id >= limit) {
        return absl::InvalidArgumentError(
            absl::StrCat("window ", window.index, ": token id ", id, " is not inside the vocabulary of ", limit));
      }
      const auto& replaced = config_.replaced_token_ids;
      if (std::find(replaced.begin(), replaced.end(), id) != replaced.end()) id = config_.pad_token_id;
    }
    return absl::OkStatus();
  }

  absl::Status ScoreInGroups(std::vector<WindowWork>& work, const std::function<bool(double)>& report) {
    for (WindowWork& window : work) SUB1QUANT_RETURN_IF_ERROR(SetEmbedded(window));
    Progress progress(report, static_cast<int64_t>(work.size()) * (config_.num_hidden_layers + 1));
    std::unique_ptr<Buffers> buffers = TakeBuffers();
    if (batch_rows_ > 0) {
      const DeviceRun run(config_, *weights_, *operations_, threads_, batch_rows_, buffers->of_device,
                          [&](int64_t steps) { return progress.Done(steps); });
      SUB1QUANT_RETURN_IF_ERROR(run.Run(work));
      ReturnBuffers(std::move(buffers));
      return absl::OkStatus();
    }
    WindowRun run(config_, *weights_, *operations_, threads_, buffers->of_windows,
                  [&](int64_t steps) { return progress.Done(steps); });
    for (size_t begin = 0; begin < work.size();) {
      std::vector<WindowWork> group;
      size_t tokens = 0;
      for (size_t i = begin; i < work.size() && (group.size() < static_cast<size_t>(threads_) || tokens < kGroupTokens);
           ++i) {
        group.push_back(work[i]);
        tokens += work[i].ids.size();
      }
      SUB1QUANT_RETURN_IF_ERROR(run.Run(group, Observer()));
      for (WindowWork& window : group) work[begin++] = std::move(window);
    }
    ReturnBuffers(std::move(buffers));
    return absl::OkStatus();
  }

  // The buffers of the last call, or new ones while another call has them.
  std::unique_ptr<Buffers> TakeBuffers() {
    const std::lock_guard<std::mutex> lock(buffer_mutex_);
    return buffers_ != nullptr ? std::move(buffers_) : std::make_unique<Buffers>(copies_);
  }

  // Not after an error.
  void ReturnBuffers(std::unique_ptr<Buffers> buffers) {
    const std::lock_guard<std::mutex> lock(buffer_mutex_);
    buffers_ = std::move(buffers);
  }

  static absl::StatusOr<WindowScore> Summed(const WindowWork& window) {
    WindowScore score;
    score.index = window.index;
    score.scored = window.targets;
    for (const double loss : window.losses) {
      if (!std::isfinite(loss)) {
        return absl::FailedPreconditionError(
            absl::StrCat("window ", window.index, ": the loss is not a finite number"));
      }
      score.nll.Add(loss);
      score.nll_squared.Add(loss * loss);
    }
    return score;
  }

  absl::StatusOr<Trace> TraceInside(const std::vector<int32_t>& tokens) const {
    if (tokens.empty()) return absl::InvalidArgumentError("a sequence needs at least one token");
    const c10::InferenceMode inference;
    Trace trace;
    at::Tensor hidden;
    const Observer keep = [&](const std::string& name, const at::Tensor& value) {
      trace.rows.emplace_back(name, ToFloats(value));
      if (name == "final_norm") hidden = value;
    };
    std::vector<WindowWork> work(1);
    work[0].ids.assign(tokens.begin(), tokens.end());
    work[0].targets = static_cast<int64_t>(tokens.size()) - 1;
    SUB1QUANT_RETURN_IF_ERROR(SetEmbedded(work[0]));
    MatrixBuffers buffers;
    WindowRun run(config_, *weights_, *operations_, threads_, buffers, [](int64_t) { return absl::OkStatus(); });
    SUB1QUANT_RETURN_IF_ERROR(run.Run(work, keep));
    trace.nll = std::move(work[0].losses);
    const HeadFetch head = weights_->Head(0, config_.vocab_size, buffers[0]);
    for (const auto& step : head.steps) SUB1QUANT_RETURN_IF_ERROR(step());
    keep("logits", operations_->SoftCapped(Linear(hidden, head.rows), config_.final_logit_softcapping));
    return trace;
  }

  const Gemma4Config config_;
  const std::unique_ptr<const Gemma4Weights> weights_;
  const std::unique_ptr<const Operations> operations_;
  const int threads_;
  const int64_t batch_rows_;  // 0: a window at a time
  const std::optional<c10::Stream> copies_;
  const std::string dtype_, device_;
  std::mutex buffer_mutex_;
  std::unique_ptr<Buffers> buffers_;
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
    SUB1QUANT_ASSIGN_OR_RETURN(auto weights, Gemma4Weights::Load(model, config, overlay, ChooseTypes(device, dtype),
                                                                 options.memory_bytes, options.threads));
    return std::make_unique<TorchScorer>(std::move(config), std::move(weights), options);
  });
}

void InitializeTorch() {
  // LibTorch refuses to set the number of inter-op threads a second time.
  static std::once_flag once;
  std::call_once(once, [] {
    at::set_num_threads(1);
    at::set_num_interop_threads(1);
    InstallBufferPool(kIdleBytesPerThread * static_cast<uint64_t>(AvailableThreads()));
  });
}

}  // namespace sub1quant
