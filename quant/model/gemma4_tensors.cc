#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "quant/model/gemma4_config.h"

namespace sub1quant {
namespace {

void AddLayer(const Gemma4Config& config, int64_t layer, Gemma4Tensors& tensors) {
  const int64_t hidden = config.hidden_size, width = config.mlp_width(layer), dim = config.layer_head_dim(layer);
  const int64_t q = config.num_attention_heads * dim, kv = config.num_key_value_heads * dim;
  const std::string prefix = absl::StrCat(tensors.prefix, "layers.", layer, ".");
  const auto use = [&](const std::string& name, std::vector<int64_t> shape) {
    tensors.used.push_back({prefix + name, std::move(shape)});
  };
  const auto use_unless_shared = [&](const std::string& name, std::vector<int64_t> shape) {
    (config.kv_shared(layer) ? tensors.unused_kv_shared : tensors.used).push_back({prefix + name, std::move(shape)});
  };
  use("input_layernorm.weight", {hidden});
  use("self_attn.q_proj.weight", {q, hidden});
  use("self_attn.q_norm.weight", {dim});
  use_unless_shared("self_attn.k_proj.weight", {kv, hidden});
  use_unless_shared("self_attn.v_proj.weight", {kv, hidden});
  use_unless_shared("self_attn.k_norm.weight", {dim});
  use("self_attn.o_proj.weight", {hidden, q});
  use("post_attention_layernorm.weight", {hidden});
  use("pre_feedforward_layernorm.weight", {hidden});
  use("mlp.gate_proj.weight", {width, hidden});
  use("mlp.up_proj.weight", {width, hidden});
  use("mlp.down_proj.weight", {hidden, width});
  use("post_feedforward_layernorm.weight", {hidden});
  if (const int64_t per_layer = config.hidden_size_per_layer_input; per_layer > 0) {
    use("per_layer_input_gate.weight", {per_layer, hidden});
    use("per_layer_projection.weight", {hidden, per_layer});
    use("post_per_layer_input_norm.weight", {hidden});
  }
  use("layer_scalar", {1});
}

}  // namespace

Gemma4Tensors Gemma4TensorShapes(const Gemma4Config& config, bool text_only) {
  Gemma4Tensors tensors;
  tensors.prefix = text_only ? "model." : "model.language_model.";
  const auto use = [&](const std::string& name, std::vector<int64_t> shape) {
    tensors.used.push_back({tensors.prefix + name, std::move(shape)});
  };
  use("embed_tokens.weight", {config.vocab_size, config.hidden_size});
  if (const int64_t per_layer = config.hidden_size_per_layer_input; per_layer > 0) {
    const int64_t all_layers = config.num_hidden_layers * per_layer;
    use("embed_tokens_per_layer.weight", {config.vocab_size_per_layer_input, all_layers});
    use("per_layer_model_projection.weight", {all_layers, config.hidden_size});
    use("per_layer_projection_norm.weight", {per_layer});
  }
  for (int64_t layer = 0; layer < config.num_hidden_layers; ++layer) AddLayer(config, layer, tensors);
  use("norm.weight", {config.hidden_size});
  return tensors;
}

absl::Status CheckGemma4Tensors(const Gemma4Tensors& tensors, const TensorInventory& inventory) {
  std::map<std::string, const TensorRecord*> present;
  for (const TensorRecord& record : inventory.tensors) present.emplace(record.key, &record);
  for (const auto& [key, shape] : tensors.used) {
    const auto found = present.find(key);
    if (found == present.end()) {
      if (absl::EndsWith(key, ".layer_scalar")) continue;  // an absent one is 1
      return absl::InvalidArgumentError(absl::StrCat("tensor '", key, "' is missing"));
    }
    if (found->second->shape != shape)
      return absl::InvalidArgumentError(absl::StrCat("tensor '", key, "' has shape [",
                                                     absl::StrJoin(found->second->shape, ","),
                                                     "]; config.json asks for [", absl::StrJoin(shape, ","), "]"));
  }
  return absl::OkStatus();
}

}  // namespace sub1quant
