// The tensors of the forward pass on their device, in the compute type (docs/gemma4_text_model.md §2). Private to this
// folder.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "quant/eval/torch/per_layer_rows.h"
#include "quant/eval/torch/scorer.h"
#include "quant/model/gemma4_config.h"
#include "quant/model/model_source.h"

namespace sub1quant {

// Norm weights are float32 (they are multiplied in float32), everything else has the compute type.
struct LayerWeights {
  at::Tensor input_norm, post_attention_norm, pre_feedforward_norm, post_feedforward_norm, post_per_layer_input_norm;
  at::Tensor layer_scalar;                    // [1]; ones if the checkpoint has none
  at::Tensor q_norm, k_norm;                  // k_norm, k_proj, v_proj: undefined in layers that share keys and values
  at::Tensor q_proj, k_proj, v_proj, o_proj;  // [out, in]
  at::Tensor gate_proj, up_proj, down_proj;
  at::Tensor per_layer_input_gate, per_layer_projection;  // undefined without per-layer inputs
};

struct Gemma4Weights {
  at::Tensor embed_tokens;  // [vocab, hidden]; also the LM head
  at::Tensor norm;
  at::Tensor per_layer_model_projection, per_layer_projection_norm;  // undefined without per-layer inputs
  std::vector<LayerWeights> layers;
  std::unique_ptr<PerLayerRows> per_layer_rows;  // nullptr without per-layer inputs
  at::TensorOptions options;                     // compute type and device
  ApplyStats apply_stats;

  at::ScalarType dtype() const { return at::typeMetaToScalarType(options.dtype()); }
};

// Reads tensor by tensor on `threads` threads; beside the weights at most one buffer (16 MiB, or one decoded matrix) a
// thread.
absl::StatusOr<std::unique_ptr<Gemma4Weights>> LoadWeights(ModelSource& model, const Gemma4Config& config,
                                                           const WeightOverlay& overlay,
                                                           const at::TensorOptions& options, int threads);

}  // namespace sub1quant
