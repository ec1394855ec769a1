// The tensors of the forward pass (docs/gemma4_text_model.md §2). The small ones are in memory; the matrices are, or
// are read anew for every pass, a layer at a time. Private to this folder.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "quant/eval/torch/file_rows.h"
#include "quant/eval/torch/matrix_buffer.h"
#include "quant/eval/torch/matrix_source.h"
#include "quant/eval/torch/per_layer_table.h"
#include "quant/eval/torch/scorer.h"
#include "quant/model/gemma4_config.h"
#include "quant/model/model_source.h"

namespace sub1quant {

// float32: they are multiplied in float32.
struct LayerNorms {
  at::Tensor input, post_attention, pre_feedforward, post_feedforward;
  at::Tensor post_per_layer_input;  // undefined without per-layer inputs
  at::Tensor q, k;                  // k: undefined in layers that share keys and values
  double layer_scalar = 1;          // rounded to the compute type
};

// One layer's matrices in the type of the products, [out, in].
struct LayerMatrices {
  at::Tensor q_proj, k_proj, v_proj, o_proj;  // k_proj, v_proj: undefined in layers that share keys and values
  at::Tensor gate_proj, up_proj, down_proj;
  // Undefined without per-layer inputs. model_projection: this layer's rows of per_layer_model_projection.
  at::Tensor per_layer_input_gate, per_layer_projection, per_layer_model_projection;
};

struct LayerFetch {
  LayerMatrices matrices;
  FetchSteps steps;
};
struct HeadFetch {
  at::Tensor rows;
  FetchSteps steps;
};

class Gemma4Weights {
 public:
  // Reads on `threads` threads; beside the weights at most one decoded matrix a thread. NotFound naming a missing
  // tensor, InvalidArgument naming a wrong shape. If the matrices do not fit into `memory_bytes` (0: no limit), they
  // stay where they are: `model` and what `overlay` points to must then outlive the result.
  static absl::StatusOr<std::unique_ptr<Gemma4Weights>> Load(ModelSource& model, const Gemma4Config& config,
                                                             const WeightOverlay& overlay, const MatrixTypes& types,
                                                             uint64_t memory_bytes, int threads);

  const MatrixTypes& types() const { return types_; }
  at::TensorOptions compute_options() const { return at::TensorOptions().dtype(types_.compute).device(types_.device); }
  bool in_memory() const { return in_memory_; }
  const ApplyStats& apply_stats() const { return apply_stats_; }
  const LayerNorms& norms(int64_t layer) const { return norms_[layer]; }
  const at::Tensor& final_norm() const { return final_norm_; }
  const at::Tensor& per_layer_projection_norm() const { return per_layer_projection_norm_; }
  bool has_per_layer_inputs() const { return per_layer_rows_ != nullptr; }

  // Thread-safe, with a buffer each. Tensors may point into `buffer`; they hold their values once the steps are done.
  LayerFetch Layer(int64_t layer, MatrixBuffer& buffer) const;
  // Rows of the LM head, which is the embedding table.
  HeadFetch Head(int64_t first, int64_t count, MatrixBuffer& buffer) const;
  // [ids, hidden] in the compute type. Every id is inside the table.
  absl::StatusOr<at::Tensor> Embeddings(const std::vector<int64_t>& ids) const;
  // embed_tokens_per_layer of one layer, [ids, P] in the compute type.
  absl::StatusOr<at::Tensor> PerLayerTokens(int64_t layer, const std::vector<int64_t>& ids) const;
  // The same from rows that are read for all layers, into a buffer for nothing else. Every id is inside the table.
  PerLayerFetch PerLayer(const std::vector<int64_t>& ids, MatrixBuffer& buffer) const;
  at::Tensor PerLayerTokens(int64_t layer, const PerLayerRows& rows) const;

 private:
  friend class Gemma4WeightsLoader;
  // Part of a matrix that a layer uses, and where it goes.
  struct Piece {
    const MatrixSource* source;
    int64_t first, count;
    at::Tensor LayerMatrices::*target;
  };
  Gemma4Weights() = default;

  MatrixTypes types_;
  int64_t per_layer_width_ = 0;
  bool in_memory_ = true;
  ApplyStats apply_stats_;
  std::vector<LayerNorms> norms_;
  at::Tensor final_norm_, per_layer_projection_norm_;
  std::vector<std::unique_ptr<MatrixSource>> matrices_;
  std::vector<std::vector<Piece>> layers_;  // into matrices_
  const MatrixSource* head_ = nullptr;
  std::unique_ptr<FileRows> embedding_rows_;  // nullptr where the table is in memory
  std::unique_ptr<FileRows> per_layer_rows_;  // nullptr without per-layer inputs
};

}  // namespace sub1quant
