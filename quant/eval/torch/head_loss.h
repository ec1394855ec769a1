// LM head and loss in tiles, so that the logits of a window are never whole in memory (docs/gemma4_text_model.md §3.8,
// §5). Private to this folder.
#pragma once

#include <ATen/core/Tensor.h>

#include "quant/eval/torch/weights.h"
#include "quant/model/gemma4_config.h"

namespace sub1quant {

// Soft-capped logits of vocabulary entries [first, first + count), float32 [rows, count]; rounded to the compute type
// after every step, as in the reference.
at::Tensor Logits(const Gemma4Config& config, const Gemma4Weights& weights, const at::Tensor& hidden, int64_t first,
                  int64_t count);

// -ln p of targets[i] after hidden[i], float32 [rows] on the CPU. hidden: [rows, hidden] after the final norm; targets:
// int64. Extra memory below 64 MB whatever the number of rows. Tiles have fixed sizes: the result depends on the
// arguments alone.
at::Tensor NegativeLogLikelihood(const Gemma4Config& config, const Gemma4Weights& weights, const at::Tensor& hidden,
                                 const at::Tensor& targets);

}  // namespace sub1quant
