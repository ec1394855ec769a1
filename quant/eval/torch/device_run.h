// Windows through the model on a device: several windows in one product, one host thread that only gives work, losses
// fetched at the end. Private to this folder.
//
// A batch has `batch_rows` rows in slots of L, a window's length rounded up to 128; window i (of the whole text) has
// slot i mod (batch_rows / L), and a slot without a window holds another's ids. So the shape of every product and a
// window's place in it follow from the window alone: its losses depend on the window, the weights and the device, not
// on what else is scored. Weights that are not on the device are copied there beside the kernels (upload_slot.h).
#pragma once

#include <vector>

#include "quant/eval/torch/upload_slot.h"
#include "quant/eval/torch/window_run.h"

namespace sub1quant {

class DeviceRun {
 public:
  // `done` as WindowRun's, from this thread only: steps are given to the device, not finished. `threads`: of the host,
  // for reading. `slots`, of one run at a time, and the others outlive the run.
  DeviceRun(const Gemma4Config& config, const Gemma4Weights& weights, const Operations& operations, int threads,
            int64_t batch_rows, UploadSlots& slots, WindowRun::Done done)
      : config_(config),
        weights_(weights),
        operations_(operations),
        threads_(threads),
        batch_rows_(batch_rows),
        slots_(slots),
        done_(std::move(done)) {}

  absl::Status Run(std::vector<WindowWork>& windows) const;

 private:
  struct Batch;
  struct Group;
  struct Head;
  // Matrices of a layer, and where they are.
  struct Layer {
    LayerMatrices matrices;
    UploadSlot* slot = nullptr;
  };

  std::vector<Batch> Batches(std::vector<WindowWork>& windows) const;
  std::vector<Group> Groups(std::vector<Batch>& batches) const;
  // Reads and copies what a group needs first, while the device is at the head of the group before.
  absl::Status Prepare(Group& group) const;
  // Give the device its work.
  absl::Status RunLayers(Group& group, const Decoder& decoder) const;
  absl::StatusOr<std::vector<Head>> RunHead(Group& group, const Decoder& decoder) const;
  // Waits for it.
  absl::Status FetchLosses(const Group& group, const std::vector<Head>& heads) const;
  Head NewHead(const Batch& batch, const at::Tensor& hidden) const;
  absl::StatusOr<Layer> FetchLayer(int64_t layer) const;

  const Gemma4Config& config_;
  const Gemma4Weights& weights_;
  const Operations& operations_;
  const int threads_;
  const int64_t batch_rows_;
  UploadSlots& slots_;
  const WindowRun::Done done_;
};

}  // namespace sub1quant
