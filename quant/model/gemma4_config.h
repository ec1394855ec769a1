// config.json of a Gemma 4 text model (docs/gemma4_text_model.md §1), with every refusal of what the forward pass here
// does not do. Only scoring needs this; search and packing need the tensors alone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "quant/model/tensor.h"

namespace sub1quant {

struct Gemma4Config {
  int64_t vocab_size = 262144;
  int64_t hidden_size = 2304;
  int64_t intermediate_size = 9216;
  int64_t num_hidden_layers = 30;
  std::vector<bool> full_attention;  // per layer: true full, false sliding
  int64_t num_attention_heads = 8;
  int64_t num_key_value_heads = 4;
  int64_t head_dim = 256;
  int64_t global_head_dim = 512;
  double rms_norm_eps = 1e-6;
  double sliding_rope_theta = 1e4;
  double full_rope_theta = 1e6;
  double full_partial_rotary_factor = 0.25;
  double full_rope_factor = 1.0;
  bool full_rope_proportional = true;  // false: rope_type default on full layers
  int64_t sliding_window = 512;
  std::optional<double> final_logit_softcapping;
  int64_t hidden_size_per_layer_input = 256;  // 0: no per-layer inputs
  int64_t vocab_size_per_layer_input = 262144;
  int64_t num_kv_shared_layers = 0;
  bool use_double_wide_mlp = false;
  int64_t pad_token_id = 0, eos_token_id = 1, bos_token_id = 2;
  // Of the multimodal class: ids that are replaced by the pad id before embedding. Empty for model_type gemma4_text.
  std::vector<int64_t> replaced_token_ids;
  std::string architecture;  // architectures[0], or the model_type
  std::string model_type;

  int64_t first_shared_layer() const { return num_hidden_layers - num_kv_shared_layers; }
  bool kv_shared(int64_t layer) const { return num_kv_shared_layers > 0 && layer >= first_shared_layer(); }
  // The layer whose keys and values `layer` uses (itself if it is not shared).
  int64_t kv_source(int64_t layer) const;
  int64_t layer_head_dim(int64_t layer) const { return full_attention.at(layer) ? global_head_dim : head_dim; }
  int64_t mlp_width(int64_t layer) const {
    return use_double_wide_mlp && kv_shared(layer) ? 2 * intermediate_size : intermediate_size;
  }
};

// InvalidArgument naming field, value and what is supported.
absl::StatusOr<Gemma4Config> ParseGemma4Config(const std::string& json_text);

// A tensor of the checkpoint and the shape that config.json asks of it.
struct Gemma4Tensor {
  std::string key;
  std::vector<int64_t> shape;
};

// The tensors that the forward pass reads, and those that a checkpoint holds but nothing reads (K, V, k_norm of layers
// that share another layer's keys and values).
struct Gemma4Tensors {
  std::string prefix;  // "model.language_model." or "model."
  std::vector<Gemma4Tensor> used;
  std::vector<Gemma4Tensor> unused_kv_shared;
};
Gemma4Tensors Gemma4TensorShapes(const Gemma4Config& config, bool text_only);

// Whether `inventory` has what the forward pass reads. InvalidArgument naming the first tensor that is missing (a
// layer_scalar may be: it is 1) or has another shape, with both shapes.
absl::Status CheckGemma4Tensors(const Gemma4Tensors& tensors, const TensorInventory& inventory);

}  // namespace sub1quant
