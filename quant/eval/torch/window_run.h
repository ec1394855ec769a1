// Some windows through the whole model, a layer at a time: each weight is read once for all of them. Private to this
// folder.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "quant/eval/torch/forward.h"

namespace sub1quant {

// A window's input and, in the end, its losses.
struct WindowWork {
  int64_t index = 0;              // for messages
  std::vector<int64_t> ids;       // as labels
  std::vector<int64_t> embedded;  // as inputs; see Sequence::ids
  int64_t targets = 0;            // the last so many ids are predicted
  std::vector<float> losses;      // -ln p of each
};

// One is computed with while the other is filled.
using MatrixBuffers = std::array<MatrixBuffer, 2>;

// Windows run in parallel, one intra-op thread each, and every product has the shape that one window gives it: the
// losses depend on the window, the weights and the processor alone, not on `threads` or the other windows.
class WindowRun {
 public:
  // `done(steps)`, called from any thread, one call at a time, with the number of steps since the last call; an error
  // stops the run. There are Steps() steps a window.
  using Done = std::function<absl::Status(int64_t)>;
  // `buffers` and the others outlive the run.
  WindowRun(const Gemma4Config& config, const Gemma4Weights& weights, const Operations& operations, int threads,
            MatrixBuffers& buffers, Done done)
      : config_(config),
        weights_(weights),
        operations_(operations),
        threads_(threads),
        buffers_(buffers),
        done_(std::move(done)) {}

  int64_t Steps() const { return config_.num_hidden_layers + 1; }
  absl::Status Run(std::vector<WindowWork>& windows, const Observer& observer);

 private:
  // body(i) for every window, and then, as threads become free, `steps`: what the next call needs.
  absl::Status ForWindows(const std::vector<WindowWork>& windows, const FetchSteps& steps,
                          const std::function<absl::Status(int64_t)>& body) const;
  absl::Status RunHead(std::vector<WindowWork>& windows, const std::vector<at::Tensor>& hidden);

  const Gemma4Config& config_;
  const Gemma4Weights& weights_;
  const Operations& operations_;
  const int threads_;
  MatrixBuffers& buffers_;
  const Done done_;
};

}  // namespace sub1quant
