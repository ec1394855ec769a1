// The Gemma 4 forward pass for scoring (docs/gemma4_text_model.md §3), on LibTorch, which stays private to this folder.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "quant/artifact/manifest.h"
#include "quant/eval/corpus.h"
#include "quant/eval/score_launches.h"
#include "quant/model/gemma4_config.h"
#include "quant/model/model_source.h"
#include "quant/plan/tasks.h"

namespace sub1quant {

struct ScorerOptions {
  std::string dtype = "auto";  // auto, float32, bfloat16
  std::string device = "cpu";  // any torch device
  int threads = 1;             // windows in parallel; each on one intra-op thread
  // What the weights and the work may take, 0: no limit. Where the weights do not fit they are read anew for every
  // Score, a layer at a time; the results are the same.
  uint64_t memory_bytes = 0;
  // Kernels for memory of `device`, which must outlive the scorer; with them, or on a device that is not the CPU,
  // windows are scored in batches (device_run.h). nullptr: LibTorch's operators between the products.
  const ScoreLaunches* launches = nullptr;
  int64_t batch_rows = 2048;  // of such a batch, as many as a server's task has at least; losses depend on it
};

// What replaces the model's own matrices: the float32 reconstruction, rounded to the tensor's dtype, then to the
// compute dtype.
struct WeightOverlay {
  const Manifest* manifest = nullptr;  // nullptr: base model
  BlobStore* blobs = nullptr;
};

struct ApplyStats {
  int64_t replaced = 0, skipped = 0, missing = 0, shape_mismatches = 0;
};

// A loaded model. Score is thread-safe and a window's result depends only on the window, the weights and the device.
class Scorer {
 public:
  // Reads config.json and the tensors that the forward pass uses; embed_tokens_per_layer stays in its file and is
  // gathered. NotFound naming a missing tensor, InvalidArgument naming a wrong shape. `model` and what `overlay` points
  // to must outlive the scorer unless it is in_memory().
  static absl::StatusOr<std::unique_ptr<Scorer>> Load(ModelSource& model, const WeightOverlay& overlay,
                                                      const ScorerOptions& options);
  virtual ~Scorer() = default;

  // Scores the windows over `tokens` (<bos> first), all of them through a layer before the next, in groups that bound
  // the memory. `progress(fraction done)` after each step, from any thread, one call at a time; return false to stop (→
  // Cancelled).
  virtual absl::StatusOr<std::vector<WindowScore>> Score(const std::vector<int32_t>& tokens,
                                                         const std::vector<Window>& windows, int64_t first_index,
                                                         const std::function<bool(double)>& progress) = 0;
  virtual const ApplyStats& apply_stats() const = 0;
  virtual const std::string& dtype() const = 0;
  // As torch names it; for bfloat16 on a CPU followed by the type of the products, which the processor decides.
  virtual const std::string& device() const = 0;
  // Whether the weights are; else the files of the model are read during Score.
  virtual bool in_memory() const = 0;

  // For tests: float32 rows of named intermediate values of one sequence ("embedding", "layer.N", "final_norm",
  // "logits"), and nll per target.
  struct Trace {
    std::vector<std::pair<std::string, std::vector<float>>> rows;  // [T, width] flattened
    std::vector<float> nll;                                        // T-1
  };
  virtual absl::StatusOr<Trace> TraceSequence(const std::vector<int32_t>& ids) = 0;
};

// Opens LibTorch's CUDA libraries and settles how `device` ("cuda:0") multiplies: float32 in float32, no reduced sums.
// The number of bytes that are free on it. FailedPrecondition saying why LibTorch cannot compute there. After
// InitializeTorch, before Load.
absl::StatusOr<uint64_t> OpenTorchDevice(const std::string& device);

// Whether a Scorer's error says that its device has failed: nothing more can be had from it in this process.
bool IsScoringDeviceLost(const absl::Status& status);

// Fixes process-wide LibTorch settings (one intra-op thread, freed activations are kept). Call once before Load.
void InitializeTorch();

}  // namespace sub1quant
