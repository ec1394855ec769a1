// The decoder: token ids of one sequence → final normed hidden states (docs/gemma4_text_model.md §3.2-3.8). Private to
// this folder.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "quant/eval/torch/weights.h"
#include "quant/model/gemma4_config.h"

namespace sub1quant {

// Sees intermediate values, [T, …] each; may be empty. Names: embedding, per_layer_inputs, layer.N.q, layer.N.k,
// layer.N.v (after norm and RoPE), layer.N.attention, layer.N, final_norm.
using Observer = std::function<void(const std::string& name, const at::Tensor& value)>;

// `ids` as they are embedded (replaced ids already mapped to the pad id), each inside both tables. Result [T, hidden]
// in the compute type.
absl::StatusOr<at::Tensor> Forward(const Gemma4Config& config, const Gemma4Weights& weights,
                                   const std::vector<int64_t>& ids, const Observer& observer);

}  // namespace sub1quant
