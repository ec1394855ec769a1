// Rotary position embedding, split-half over the whole head (docs/gemma4_text_model.md §3.7). Private to this folder.
#pragma once

#include <ATen/core/Tensor.h>

#include "quant/model/gemma4_config.h"

namespace sub1quant {

// w_j of one layer type, float32 [head_dim / 2]; zero (identity) beyond the rotated pairs of a proportional table.
at::Tensor RopeFrequencies(const Gemma4Config& config, bool full_attention);

// cos and sin of positions 0..T-1, [T, head_dim / 2] in the compute type.
struct RopeTable {
  at::Tensor cos, sin;
};
RopeTable MakeRopeTable(const at::Tensor& frequencies, int64_t positions, const at::TensorOptions& options);

}  // namespace sub1quant
