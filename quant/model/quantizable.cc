#include "quant/model/quantizable.h"

#include <array>

namespace sub1quant {
namespace {

constexpr const char* kExclusions[] = {"lm_head",     "embed_tokens", "norm",
                                       "audio_tower", "vision_tower", "embed_vision"};

bool Contains(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

// "" if the rule takes the tensor.
std::string ReasonAgainst(const TensorRecord& tensor, bool text_only) {
  for (const char* exclusion : kExclusions)
    if (Contains(tensor.key, exclusion)) return exclusion;
  if (text_only && Contains(tensor.key, "embed_audio")) return "embed_audio";
  if (!text_only && !Contains(tensor.key, "language_model")) return "not in language_model";
  if (!Contains(tensor.key, "weight")) return "not a weight";
  if (tensor.shape.size() != 2) return "not 2-D";
  return "";
}

}  // namespace

QuantizableSelection SelectQuantizable(const TensorInventory& inventory) {
  QuantizableSelection selection;
  selection.text_only = true;
  for (const TensorRecord& tensor : inventory.tensors)
    if (Contains(tensor.key, "language_model")) selection.text_only = false;

  for (size_t i = 0; i < inventory.tensors.size(); ++i) {
    const TensorRecord& tensor = inventory.tensors[i];
    selection.reasons.push_back(ReasonAgainst(tensor, selection.text_only));
    if (!selection.reasons.back().empty()) continue;
    selection.indices.push_back(i);
    selection.parameters += tensor.elements();
  }
  return selection;
}

}  // namespace sub1quant
