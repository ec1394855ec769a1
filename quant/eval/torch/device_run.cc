#include "quant/eval/torch/device_run.h"

#include <ATen/ops/cat.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>

#include "core/status.h"
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

// Batches that go through the layers together, and what is ready on the device when they begin.
struct DeviceRun::Group {
  std::vector<Batch*> batches;
  PerLayerTable per_layer;
  Layer first;

  int64_t Longest() const {
    int64_t longest = 0;
    for (const Batch* batch : batches) longest = std::max(longest, batch->length);
    return longest;
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

std::vector<DeviceRun::Group> DeviceRun::Groups(std::vector<Batch>& batches) const {
  std::vector<Group> groups;
  int64_t rows = 0;
  for (Batch& batch : batches) {
    if (groups.empty() || rows >= kGroupBatches * batch_rows_) {
      groups.emplace_back();
      rows = 0;
    }
    groups.back().batches.push_back(&batch);
    rows += batch.Rows();
  }
  return groups;
}

absl::Status DeviceRun::Run(std::vector<WindowWork>& windows) const {
  const c10::InferenceMode inference;
  std::vector<Batch> batches = Batches(windows);
  std::vector<Group> groups = Groups(batches);
  for (size_t i = 0; i < groups.size(); ++i) {
    Group& group = groups[i];
    if (i == 0) SUB1QUANT_RETURN_IF_ERROR(Prepare(group));
    const Decoder decoder(config_, weights_, operations_, group.Longest());
    SUB1QUANT_RETURN_IF_ERROR(RunLayers(group, decoder));
    SUB1QUANT_ASSIGN_OR_RETURN(const std::vector<Head> heads, RunHead(group, decoder));
    if (i + 1 < groups.size()) SUB1QUANT_RETURN_IF_ERROR(Prepare(groups[i + 1]));
    SUB1QUANT_RETURN_IF_ERROR(FetchLosses(group, heads));
  }
  return absl::OkStatus();
}

absl::Status DeviceRun::Prepare(Group& group) const {
  std::vector<int64_t> all_ids;
  for (Batch* batch : group.batches) {
    batch->sequence.windows = static_cast<int64_t>(batch->slots.size());
    batch->sequence.ids = batch->Ids();
    all_ids.insert(all_ids.end(), batch->sequence.ids.begin(), batch->sequence.ids.end());
  }
  if (weights_.has_per_layer_inputs()) {
    SUB1QUANT_RETURN_IF_ERROR(slots_.per_layer_rows().Fill(threads_, [&](MatrixBuffer& buffer) {
      PerLayerFetch fetch = weights_.PerLayer(all_ids, buffer);
      group.per_layer = std::move(fetch.table);
      return std::move(fetch.steps);
    }));
  }
  SUB1QUANT_ASSIGN_OR_RETURN(group.first, FetchLayer(0));
  return absl::OkStatus();
}

absl::StatusOr<DeviceRun::Layer> DeviceRun::FetchLayer(int64_t layer) const {
  Layer fetched;
  fetched.slot = &slots_.NextMatrices();
  SUB1QUANT_RETURN_IF_ERROR(fetched.slot->Fill(threads_, [&](MatrixBuffer& buffer) {
    LayerFetch fetch = weights_.Layer(layer, buffer);
    fetched.matrices = std::move(fetch.matrices);
    return std::move(fetch.steps);
  }));
  return fetched;
}

absl::Status DeviceRun::RunLayers(Group& group, const Decoder& decoder) const {
  const PerLayerTable per_layer = std::move(group.per_layer);
  for (Batch* batch : group.batches) {
    if (weights_.has_per_layer_inputs()) batch->sequence.per_layer = per_layer.Of(batch->sequence.ids);
    SUB1QUANT_RETURN_IF_ERROR(decoder.Embed(batch->sequence, Observer()));
  }
  return slots_.per_layer_rows().Use([&]() -> absl::Status {
    Layer next = std::move(group.first);
    for (int64_t layer = 0; layer < config_.num_hidden_layers; ++layer) {
      const Layer now = std::move(next);
      SUB1QUANT_RETURN_IF_ERROR(now.slot->Use([&]() -> absl::Status {
        for (Batch* batch : group.batches) {
          SUB1QUANT_RETURN_IF_ERROR(decoder.Layer(layer, now.matrices, batch->sequence, Observer()));
          SUB1QUANT_RETURN_IF_ERROR(done_(batch->Windows()));
        }
        return absl::OkStatus();
      }));
      if (layer + 1 == config_.num_hidden_layers) break;
      SUB1QUANT_ASSIGN_OR_RETURN(next, FetchLayer(layer + 1));  // while the device computes what it was given
    }
    return absl::OkStatus();
  });
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

absl::StatusOr<std::vector<DeviceRun::Head>> DeviceRun::RunHead(Group& group, const Decoder& decoder) const {
  std::vector<Head> heads;
  for (Batch* batch : group.batches) {
    heads.push_back(NewHead(*batch, decoder.FinalNorm(batch->sequence, Observer())));
    batch->sequence = Sequence();
  }
  for (int64_t first = 0; first < config_.vocab_size; first += kTileVocabulary) {
    UploadSlot& slot = slots_.NextMatrices();
    at::Tensor rows;
    SUB1QUANT_RETURN_IF_ERROR(slot.Fill(threads_, [&](MatrixBuffer& buffer) {
      HeadFetch fetch = weights_.Head(first, std::min(kTileVocabulary, config_.vocab_size - first), buffer);
      rows = std::move(fetch.rows);
      return std::move(fetch.steps);
    }));
    SUB1QUANT_RETURN_IF_ERROR(slot.Use([&] {
      for (const Head& head : heads) head.Fold(rows, first);
      return done_(0);
    }));
  }
  return heads;
}

absl::Status DeviceRun::FetchLosses(const Group& group, const std::vector<Head>& heads) const {
  std::vector<at::Tensor> losses;
  for (const Head& head : heads) losses.push_back(head.Finish());
  for (size_t i = 0; i < group.batches.size(); ++i) {
    const at::Tensor of_batch = losses[i].cpu();
    const auto* loss = static_cast<const float*>(of_batch.const_data_ptr());
    for (WindowWork* window : group.batches[i]->slots) {
      if (window != nullptr) window->losses.assign(loss, loss + window->targets);
      loss += group.batches[i]->targets;
    }
    SUB1QUANT_RETURN_IF_ERROR(done_(group.batches[i]->Windows()));
  }
  return absl::OkStatus();
}

}  // namespace sub1quant
