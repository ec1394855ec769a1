// Which matrices are quantized: the published rule, decided by the keys alone (docs/formats.md, gemma4 §2.2).
#pragma once

#include <string>
#include <vector>

#include "quant/model/tensor.h"

namespace sub1quant {

struct QuantizableSelection {
  bool text_only = false;            // no key contains "language_model"
  std::vector<size_t> indices;       // into inventory.tensors, in enumeration order
  std::vector<std::string> reasons;  // per tensor of the inventory: "" if selected, else why not ("norm", "not 2-D", …)
  int64_t parameters = 0;            // weights of the selected
};

// A tensor is selected when its key contains "language_model" and "weight", it is 2-D, and its key contains none of
// lm_head, embed_tokens, norm, audio_tower, vision_tower, embed_vision. If no key contains "language_model", that
// condition is dropped and embed_audio joins the exclusions. An empty selection is returned as it is: callers that need
// one refuse it.
QuantizableSelection SelectQuantizable(const TensorInventory& inventory);

}  // namespace sub1quant
