#include "quant/eval/torch/device_run.h"

#include <ATen/Parallel.h>
#include <ATen/ops/cat.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>

#include "core/parallel.h"
#include "core/status.h"
#include "quant/eval/torch/guard.h"
#include "quant/eval/torch/linear.h"
#include "quant/eval/torch/torch_device.h"

namespace sub1quant {
namespace {

// Lengths and numbers of targets are rounded up to it: few shapes, and few rows in vain.
constexpr int64_t kRowStep = 128;
// Batches that go through the layers together; hidden states, keys, values and rows of per-layer embeddings of eight
// batches of 2048 rows take 0.6 GB in float32. Longer windows count for more.
constexpr int64_t kGroupBatches = 8;
// A tile of logits is 16 MiB of bfloat16: with its 12 MiB of the head it stays in the second cache of an L4 or H100.
constexpr int64_t kTileRows = 2048, kTileVocabulary = 4096;

int64_t RoundedUp(int64_t count) { return (count + kRowStep - 1) / kRowStep * kRowStep; }

}  // namespace

struct DeviceRun::Batch {
  int64_t first_index = 0;         // of the window that slot 0 is for
  int64_t length = 0;              // rows of a slot
  int64_t targets = 0;             // predicted rows of a slot, rounded up
  std::vector<WindowWork*> slots;  // null: none
  Sequence sequence;

  int64_t Rows() const { return length * static_cast<int64_t>(slots.size()); }
  int64_t Windows() const {
    return std::count_if(slots.begin(), slots.end(), [](const WindowWork* window) { return window != nullptr; });
  }
  // Of every slot, padded with its last id; ids of the first window stand in a slot that has none.
  std::vector<int64_t> Ids() const {
    const WindowWork* first =
        *std::find_if(slots.begin(), slots.end(), [](const WindowWork* w) { return w != nullptr; });
    std::vector<int64_t> ids;
    for (const WindowWork* slot : slots) {
      const std::vector<int64_t>& of_window = (slot == nullptr ? first : slot)->embedded;
      ids.insert(ids.end(), of_window.begin(), of_window.end());
      ids.insert(ids.end(), static_cast<size_t>(length) - of_window.size(), of_window.back());
    }
    return ids;
  }
};

// The rows that are predicted from, those of a slot after one another, in pieces of the height of a tile.
struct DeviceRun::Head {
  struct Piece {
    at::Tensor hidden;
    std::unique_ptr<LossRows> loss;
  };
  std::vector<Piece> pieces;

  void Fold(const at::Tensor& rows, int64_t begin) const {
    for (const Piece& piece : pieces) piece.loss->Fold(Linear(piece.hidden, rows), begin);
  }
  at::Tensor Finish() const {
    std::vector<at::Tensor> losses;
    for (const Piece& piece : pieces) losses.push_back(piece.loss->Finish());
    return at::cat(losses);
  }
};

std::vector<DeviceRun::Batch> DeviceRun::Batches(std::vector<WindowWork>& windows) const {
  std::vector<Batch> batches;
  for (WindowWork& window : windows) {
    const int64_t length = RoundedUp(static_cast<int64_t>(window.ids.size())), targets = RoundedUp(window.targets);
    const int64_t slots = std::max<int64_t>(1, batch_rows_ / length), slot = window.index % slots;
    const auto found = std::find_if(batches.begin(), batches.end(), [&](const Batch& batch) {
      return batch.first_index == window.index - slot && batch.length == length && batch.targets == targets;
    });
    if (found != batches.end()) {
      found->slots[static_cast<size_t>(slot)] = &window;
      continue;
    }
    Batch batch;
    batch.first_index = window.index - slot;
    batch.length = length;
    batch.targets = targets;
    batch.slots.resize(static_cast<size_t>(slots));
    batch.slots[static_cast<size_t>(slot)] = &window;
    batches.push_back(std::move(batch));
  }
  return batches;
}

absl::Status DeviceRun::Run(std::vector<WindowWork>& windows) const {
  const c10::InferenceMode inference;
  std::vector<Batch> batches = Batches(windows);
  Batch* const last = batches.data() + batches.size();
  for (Batch* begin = batches.data(); begin != last;) {
    Batch* end = begin;
    for (int64_t rows = 0; end != last && rows < kGroupBatches * batch_rows_; ++end) rows += end->Rows();
    SUB1QUANT_RETURN_IF_ERROR(RunGroup(begin, end));
    begin = end;
  }
  return absl::OkStatus();
}

absl::Status DeviceRun::Fetch(const FetchSteps& steps) const {
  return ParallelFor(threads_, static_cast<int64_t>(steps.size()), [&](int64_t i) {
    return GuardTorch([&] {
      const c10::InferenceMode inference;
      at::init_num_threads();
      return steps[static_cast<size_t>(i)]();
    });
  });
}

absl::Status DeviceRun::RunGroup(Batch* begin, Batch* end) const {
  int64_t longest = 0;
  std::vector<int64_t> all_ids;
  for (Batch* batch = begin; batch != end; ++batch) {
    longest = std::max(longest, batch->length);
    batch->sequence.windows = static_cast<int64_t>(batch->slots.size());
    batch->sequence.ids = batch->Ids();
    all_ids.insert(all_ids.end(), batch->sequence.ids.begin(), batch->sequence.ids.end());
  }
  const Decoder decoder(config_, weights_, operations_, longest);
  PerLayerTable per_layer;
  if (weights_.has_per_layer_inputs()) {
    SUB1QUANT_ASSIGN_OR_RETURN(per_layer, weights_.LoadPerLayerTable(all_ids, threads_));
  }
  LayerFetch next = weights_.Layer(0, buffers_[0]);
  SUB1QUANT_RETURN_IF_ERROR(Fetch(next.steps));
  for (Batch* batch = begin; batch != end; ++batch) {
    if (weights_.has_per_layer_inputs()) batch->sequence.per_layer = per_layer.Of(batch->sequence.ids);
    SUB1QUANT_RETURN_IF_ERROR(decoder.Embed(batch->sequence, Observer()));
  }
  for (int64_t layer = 0; layer < config_.num_hidden_layers; ++layer) {
    const LayerMatrices matrices = std::move(next.matrices);
    for (Batch* batch = begin; batch != end; ++batch) {
      SUB1QUANT_RETURN_IF_ERROR(decoder.Layer(layer, matrices, batch->sequence, Observer()));
      SUB1QUANT_RETURN_IF_ERROR(done_(batch->Windows()));
    }
    next = layer + 1 < config_.num_hidden_layers ? weights_.Layer(layer + 1, buffers_[(layer + 1) % 2]) : LayerFetch();
    SUB1QUANT_RETURN_IF_ERROR(Fetch(next.steps));  // while the device computes what it was given
  }
  return RunHead(begin, end, decoder);
}

DeviceRun::Head DeviceRun::NewHead(const Batch& batch, const at::Tensor& hidden) const {
  std::vector<int64_t> rows, labels;
  for (size_t slot = 0; slot < batch.slots.size(); ++slot) {
    const WindowWork* window = batch.slots[slot];
    const int64_t begin = static_cast<int64_t>(slot) * batch.length, targets = window == nullptr ? 0 : window->targets;
    for (int64_t i = 0; i < batch.targets; ++i) {
      const bool real = i < targets;
      const int64_t label = real ? static_cast<int64_t>(window->ids.size()) - targets + i : 0;
      rows.push_back(real ? begin + label - 1 : begin);
      labels.push_back(real ? window->ids[static_cast<size_t>(label)] : -1);
    }
  }
  const at::Device device = hidden.device();
  const at::Tensor predicted = hidden.index_select(0, NumbersOn(device, rows)), label = NumbersOn(device, labels);
  Head head;
  for (int64_t first = 0; first < label.size(0); first += kTileRows) {
    const int64_t count = std::min(kTileRows, label.size(0) - first);
    head.pieces.push_back({predicted.narrow(0, first, count),
                           operations_.NewLossRows(label.narrow(0, first, count), config_.final_logit_softcapping)});
  }
  return head;
}

absl::Status DeviceRun::RunHead(Batch* begin, Batch* end, const Decoder& decoder) const {
  std::vector<Head> heads;
  for (Batch* batch = begin; batch != end; ++batch) {
    heads.push_back(NewHead(*batch, decoder.FinalNorm(batch->sequence, Observer())));
    batch->sequence = Sequence();
  }
  for (int64_t first = 0; first < config_.vocab_size; first += kTileVocabulary) {
    const HeadFetch fetch = weights_.Head(first, std::min(kTileVocabulary, config_.vocab_size - first),
                                          buffers_[static_cast<size_t>(first / kTileVocabulary % 2)]);
    SUB1QUANT_RETURN_IF_ERROR(Fetch(fetch.steps));
    for (const Head& head : heads) head.Fold(fetch.rows, first);
    SUB1QUANT_RETURN_IF_ERROR(done_(0));
  }
  std::vector<at::Tensor> losses;
  for (const Head& head : heads) losses.push_back(head.Finish());
  for (Batch* batch = begin; batch != end; ++batch) {
    const at::Tensor of_batch = losses[static_cast<size_t>(batch - begin)].cpu();
    const auto* loss = static_cast<const float*>(of_batch.const_data_ptr());
    for (WindowWork* window : batch->slots) {
      if (window != nullptr) window->losses.assign(loss, loss + window->targets);
      loss += batch->targets;
    }
    SUB1QUANT_RETURN_IF_ERROR(done_(batch->Windows()));
  }
  return absl::OkStatus();
}

}  // namespace sub1quant
