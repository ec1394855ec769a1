// The 600 text tensors of the published model, written from the table of docs/gemma4_text_model.md §2.1 and not from
// the code.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "quant/model/safetensors.h"

namespace sub1quant {

inline std::vector<SafetensorsEntry> E2bTensors(const std::string& prefix) {
  std::vector<SafetensorsEntry> entries;
  const auto add = [&](const std::string& name, std::vector<int64_t> shape) {
    entries.push_back({prefix + name, DType::kBF16, std::move(shape)});
  };
  add("embed_tokens.weight", {262144, 1536});
  add("embed_tokens_per_layer.weight", {262144, 8960});
  add("per_layer_model_projection.weight", {8960, 1536});
  add("per_layer_projection_norm.weight", {256});
  add("norm.weight", {1536});
  for (int layer = 0; layer < 35; ++layer) {
    const std::string at = "layers." + std::to_string(layer) + ".";
    const bool full = layer % 5 == 4;
    const int64_t width = layer < 15 ? 6144 : 12288;
    const int64_t q = full ? 4096 : 2048, kv = full ? 512 : 256;
    for (const char* name : {"input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm",
                             "post_feedforward_layernorm", "post_per_layer_input_norm"})
      add(at + name + ".weight", {1536});
    add(at + "layer_scalar", {1});
    add(at + "self_attn.q_norm.weight", {kv});
    add(at + "self_attn.k_norm.weight", {kv});
    add(at + "self_attn.q_proj.weight", {q, 1536});
    add(at + "self_attn.k_proj.weight", {kv, 1536});
    add(at + "self_attn.v_proj.weight", {kv, 1536});
    add(at + "self_attn.o_proj.weight", {1536, q});
    add(at + "mlp.gate_proj.weight", {width, 1536});
    add(at + "mlp.up_proj.weight", {width, 1536});
    add(at + "mlp.down_proj.weight", {1536, width});
    add(at + "per_layer_input_gate.weight", {256, 1536});
    add(at + "per_layer_projection.weight", {1536, 256});
  }
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
  return entries;
}

}  // namespace sub1quant
