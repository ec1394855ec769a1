// The decoder, one layer of one sequence (or of several on a device) at a time (docs/gemma4_text_model.md §3.2-3.8).
// Private to this folder.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "quant/eval/torch/operations.h"
#include "quant/eval/torch/weights.h"
#include "quant/model/gemma4_config.h"

namespace sub1quant {

// Sees intermediate values, [T, …] each; may be empty. Names: embedding, layer.N.per_layer_input, layer.N.q, layer.N.k,
// layer.N.v (after norm and RoPE), layer.N.attention, layer.N, final_norm.
using Observer = std::function<void(const std::string& name, const at::Tensor& value)>;

// A sequence on its way through the layers, or several of one length one after the other: T is then the rows of all.
// Index [0] of a pair: sliding layers, [1]: full layers.
struct Sequence {
  struct KeysValues {
    at::Tensor keys, values;  // [T, nkv, d] or [windows, T / windows, nkv, d], after norm and RoPE
  };

  std::vector<int64_t> ids;  // as they are embedded: replaced ids already mapped to the pad id, each inside both tables
  int64_t windows = 1;       // more than one: not for NewCpuOperations
  PerLayerRows per_layer;    // undefined: read anew for every layer
  at::Tensor embedded;       // x⁰: every layer's per-layer input needs it
  at::Tensor x;              // [T, hidden], after the layers so far
  KeysValues keys_values[2];  // of the last layer that has its own; the layers that share read them
};

// Thread-safe.
class Decoder {
 public:
  // For windows of up to `length` ids.
  Decoder(const Gemma4Config& config, const Gemma4Weights& weights, const Operations& operations, int64_t length);

  absl::Status Embed(Sequence& sequence, const Observer& observer) const;
  // To be called for layer 0, 1, …, with that layer's matrices.
  absl::Status Layer(int64_t layer, const LayerMatrices& matrices, Sequence& sequence, const Observer& observer) const;
  // [T, hidden]
  at::Tensor FinalNorm(const Sequence& sequence, const Observer& observer) const;

 private:
  at::Tensor Norm(const at::Tensor& x, const at::Tensor& weight) const;
  RopeTable Rope(bool full, const Sequence& sequence) const;
  // Of rows that hold `heads` heads side by side: [T, heads, d], or a window's T after another's.
  static at::Tensor Heads(const at::Tensor& rows, int64_t heads, int64_t dim, const Sequence& sequence);
  at::Tensor Attention(int64_t layer, const LayerMatrices& matrices, const at::Tensor& h, Sequence& sequence,
                       const Observer& observer) const;
  Sequence::KeysValues MakeKeysValues(int64_t layer, const LayerMatrices& matrices, const at::Tensor& h,
                                      const Sequence& sequence) const;
  at::Tensor Mlp(const LayerMatrices& matrices, const at::Tensor& h) const;
  absl::StatusOr<at::Tensor> PerLayerInput(int64_t layer, const LayerMatrices& matrices,
                                           const Sequence& sequence) const;

  const Gemma4Config& config_;
  const Gemma4Weights& weights_;
  const Operations& operations_;
  RopeTable rope_[2];
};

}  // namespace sub1quant
