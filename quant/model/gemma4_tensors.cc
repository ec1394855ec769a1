#include "quant/model/gemma4_config.h"

namespace sub1quant {
namespace {

void AddLayer(const Gemma4Config& config, int64_t layer, Gemma4Tensors& tensors) {
  const std::string prefix = tensors.prefix + "layers." + std::to_string(layer) + ".";
  const auto use = [&](const std::string& name) { tensors.used.push_back(prefix + name); };
  use("input_layernorm.weight");
  use("self_attn.q_proj.weight");
  use("self_attn.q_norm.weight");
  for (const std::string name : {"self_attn.k_proj.weight", "self_attn.v_proj.weight", "self_attn.k_norm.weight"})
    (config.kv_shared(layer) ? tensors.unused_kv_shared : tensors.used).push_back(prefix + name);
  use("self_attn.o_proj.weight");
  use("post_attention_layernorm.weight");
  use("pre_feedforward_layernorm.weight");
  use("mlp.gate_proj.weight");
  use("mlp.up_proj.weight");
  use("mlp.down_proj.weight");
  use("post_feedforward_layernorm.weight");
  if (config.hidden_size_per_layer_input > 0) {
    use("per_layer_input_gate.weight");
    use("per_layer_projection.weight");
    use("post_per_layer_input_norm.weight");
  }
  use("layer_scalar");
}

}  // namespace

Gemma4Tensors Gemma4TensorNames(const Gemma4Config& config, bool text_only) {
  Gemma4Tensors tensors;
  tensors.prefix = text_only ? "model." : "model.language_model.";
  tensors.used.push_back(tensors.prefix + "embed_tokens.weight");
  if (config.hidden_size_per_layer_input > 0)
    for (const std::string name :
         {"embed_tokens_per_layer.weight", "per_layer_model_projection.weight", "per_layer_projection_norm.weight"})
      tensors.used.push_back(tensors.prefix + name);
  for (int64_t layer = 0; layer < config.num_hidden_layers; ++layer) AddLayer(config, layer, tensors);
  tensors.used.push_back(tensors.prefix + "norm.weight");
  return tensors;
}

}  // namespace sub1quant
