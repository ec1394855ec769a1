// Windows through the model on a device: several windows in one product, one host thread that only gives work, losses
// fetched at the end. Private to this folder.
//
// A batch has `batch_rows` rows in slots of L, a window's length rounded up to 128; window i (of the whole text) has
// slot i mod (batch_rows / L), and a slot without a window holds another's ids. So the shape of every product and a
// window's place in it follow from the window alone: its losses depend on the window, the weights and the device, not
// on what else is scored.
#pragma once

#include <vector>

#include "quant/eval/torch/window_run.h"

namespace sub1quant {

class DeviceRun {
 public:
  // `done` as WindowRun's, from this thread only: steps are given to the device, not finished. `threads`: of the host,
  // for reading. `buffers` and the others outlive the run.
  DeviceRun(const Gemma4Config& config, const Gemma4Weights& weights, const Operations& operations, int threads,
            int64_t batch_rows, MatrixBuffers& buffers, WindowRun::Done done)
      : config_(config),
        weights_(weights),
        operations_(operations),
        threads_(threads),
        batch_rows_(batch_rows),
        buffers_(buffers),
        done_(std::move(done)) {}

  absl::Status Run(std::vector<WindowWork>& windows) const;

 private:
  struct Batch;
  struct Head;

  std::vector<Batch> Batches(std::vector<WindowWork>& windows) const;
  absl::Status RunGroup(Batch* begin, Batch* end) const;
  absl::Status RunHead(Batch* begin, Batch* end, const Decoder& decoder) const;
  Head NewHead(const Batch& batch, const at::Tensor& hidden) const;
  // On threads of the host.
  absl::Status Fetch(const FetchSteps& steps) const;

  const Gemma4Config& config_;
  const Gemma4Weights& weights_;
  const Operations& operations_;
  const int threads_;
  const int64_t batch_rows_;
  MatrixBuffers& buffers_;
  const WindowRun::Done done_;
};

}  // namespace sub1quant
